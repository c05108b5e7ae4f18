/* The configuration, `sluice config`. */

/** `config.show`: the configuration as YAML. */
export interface ConfigInfo {
  text: string;
}
