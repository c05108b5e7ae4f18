/* Network namespaces: ip-netns. */

export interface NetnsInfo {
  name: string;
  /** Number that links of other namespaces show as link_netnsid; absent where none has been given. */
  id?: number;
}
