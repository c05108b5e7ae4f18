import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { checkName } from '../../src/control/config/checks.js';
import type { DataplaneConfig } from '../../src/control/config/model.js';
import type { Schema } from '../../src/control/config/schema.js';
import { type Config, loadConfig, parseConfig, renderConfig, requestsOf, SCHEMA } from '../../src/control/config.js';
import { FDB_DEFAULT_CAPACITY } from '../../src/tables/fdb.js';
import { anyConfig } from './config-arbitrary.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const examples = readdirSync(EXAMPLES).filter((name) => name.endsWith('.yaml'));

const dataplane: fc.Arbitrary<DataplaneConfig> = fc.record(
  {
    poll: fc.constantFrom('adaptive', 'busy'),
    fdb_capacity: fc.constantFrom(1024, 65_536, 1_048_576),
    arena: fc.constantFrom(1024, 524_288),
  },
  { requiredKeys: [] },
);

function withDataplane(config: Config, said: DataplaneConfig): Config {
  return Object.keys(said).length === 0 ? config : { dataplane: said, ...config };
}

/** Every schema within a schema that is for a value of the file. */
function values(schema: Schema): Schema[] {
  const inner = [...Object.values(schema.properties ?? {}), ...(schema.items === undefined ? [] : [schema.items])];
  return [schema, ...inner.flatMap(values)];
}

const validate = new Ajv({ allowUnionTypes: true }).compile(SCHEMA);

describe('writing and reading a configuration', () => {
  it('gives the same configuration', () => {
    fc.assert(
      fc.property(anyConfig, dataplane, (config, said) => {
        const whole = withDataplane(config, said);
        expect(parseConfig(renderConfig(whole), 'a.yaml')).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same configuration whatever the links are called', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 15, unit: 'grapheme' })
      .filter((text) => checkName(text) === undefined);
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 5 }), (names) => {
        const config: Config = { links: names.map((text) => ({ name: text, kind: 'memory' })), fdb: [] };
        expect(parseConfig(renderConfig(config), 'a.yaml')).toEqual(config);
      }),
      { numRuns: 500 },
    );
  });

  it('gives a text that the schema in the editor accepts, and another reader understands', () => {
    fc.assert(
      fc.property(anyConfig, (config) => {
        const text = renderConfig(config);
        const tree: unknown = parse(text);
        validate(tree);
        const isNamed = ({ propertyName }: { propertyName?: string }): boolean => propertyName !== undefined;
        expect((validate.errors ?? []).filter((error) => !isNamed(error))).toEqual([]);
        expect(parse(text, { version: '1.1' })).toEqual(tree);
      }),
    );
  });

  it('writes only what differs from the defaults', () => {
    const text = `
links:
  br0: {type: bridge, ageing_time: 5min, group_fwd_mask: 0, transparent: off, fdb_max_learned: 0, up: off}
  t1: {type: tap, mtu: 1500, queues: 1, gso: on, persist: no, peer: {name: t1, mtu: 1500, addr: [], up: off}, master: br0,
       port: {learning: on, flood: on, bcast_flood: on, mcast_flood: on, isolated: off, hairpin: off, locked: off,
              group_fwd_mask: 0x0, fdb_limit: 0, storm: {broadcast: 0, multicast: 0, unknown: 0}}}
`;
    expect(renderConfig(parseConfig(text, 'a.yaml'))).toBe(
      'links:\n  br0:\n    type: bridge\n  t1:\n    type: tap\n    master: br0\n',
    );
  });

  it('writes masks in hexadecimal, times with a unit, and quotes what YAML 1.1 would take for something else', () => {
    const text = `
links:
  br0: {type: bridge, ageing_time: 1.5s, group_fwd_mask: 16, address: 12:34:56:01:02:03}
  on: {type: tap, peer: {netns: 0777, addr: FD00:0::1/64}}
`;
    expect(renderConfig(parseConfig(text, 'a.yaml'))).toBe(`links:
  br0:
    type: bridge
    address: "12:34:56:01:02:03"
    ageing_time: 1500ms
    group_fwd_mask: 0x10
  "on":
    type: tap
    peer:
      netns: "0777"
      addr: [fd00::1/64]
`);
  });
});

describe('the schema', () => {
  // SLUICE_WRITE_SCHEMA=1 writes the file anew; then format it.
  it('is sluice.schema.json', () => {
    const file = fileURLToPath(new URL('../../sluice.schema.json', import.meta.url));
    if (process.env.SLUICE_WRITE_SCHEMA === '1') writeFileSync(file, JSON.stringify(SCHEMA));
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(SCHEMA);
  });

  it('has a title for every value and an example for every one that is no map, both of which the messages need', () => {
    for (const [name, definition] of Object.entries(SCHEMA.definitions ?? {})) {
      for (const schema of values(definition)) {
        if (schema.$ref !== undefined) continue;
        expect(schema.title, JSON.stringify([name, schema])).toBeTypeOf('string');
        const isMap = schema.type === 'object' || (Array.isArray(schema.type) && schema.type.includes('null'));
        if (!isMap) expect(schema.examples, JSON.stringify([name, schema])).toHaveLength(1);
      }
    }
  });

  it('has the default capacity of the FDB', () => {
    expect(SCHEMA.definitions?.dataplane.properties?.fdb_capacity.default).toBe(FDB_DEFAULT_CAPACITY);
  });
});

describe('the examples', () => {
  it.each(examples)('%s is read, and accepted by an editor', (name) => {
    const { config, text } = loadConfig(EXAMPLES + name);
    expect(config.links.length).toBeGreaterThan(2);
    expect(requestsOf(config).length).toBeGreaterThan(config.links.length);
    expect(validate(parse(text)), JSON.stringify(validate.errors)).toBe(true);
    expect(readFileSync(EXAMPLES + name, 'utf8')).toContain('$schema=../sluice.schema.json');
  });

  it('lie beside each other in one folder', () => {
    expect(examples).toEqual(['bridge.yaml', 'gateway.yaml', 'guests.yaml', 'replay.yaml', 'wire.yaml']);
  });
});
