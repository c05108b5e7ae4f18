import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../../src/control/config.js';
import { SluiceError } from '../../src/core/errors.js';

function refusalOf(text: string): string {
  try {
    parseConfig(text, 'net.yaml');
  } catch (error) {
    if (error instanceof SluiceError) return error.message;
    throw error;
  }
  return 'it was accepted';
}

/** A link of line 3. */
function link(words: string): string {
  return `links:\n  br0: {type: bridge}\n  x: {${words}}\n`;
}

describe('a configuration', () => {
  it('is what the requests need', () => {
    const text = `
dataplane: {poll: busy, fdb_capacity: 0x10000}
links:
  br0:
    type: bridge
    ageing_time: 1.5s
    group_fwd_mask: 0x8
    transparent: true
    up: true
  t1:
    type: tap
    master: br0
    address: 2:0:0:0:0:AA
    mtu: 9000
    queues: 2
    gso: off
    persist: Off
    peer: {name: eth0, netns: 1234, address: 12:34:56:01:02:03, mtu: 1400, addr: [10.0.0.1/24, FD00:0::1/64], up: YES}
    port: {learning: no, isolated: on, fdb_limit: 100, storm: {broadcast: 1000}}
    up: On
  p1: {type: packet, dev: eth1, netns: x, mtu: 1500}
  f1: {type: pcap, read: in.pcap, write: /out.pcapng}
  7: {type: memory}
fdb:
  - {mac: 02:00:00:00:00:01, dev: t1, sticky: on}
  - {mac: 02:00:00:00:00:02, dev: br0}
  - {mac: 02:00:00:00:00:03, dev: t1, state: permanent}
`;
    expect(parseConfig(text, '/etc/sluice/net.yaml')).toEqual({
      dataplane: { poll: 'busy', fdb_capacity: 65_536 },
      links: [
        { name: 'br0', kind: 'bridge', up: true, bridge: { ageing_time: 150, group_fwd_mask: 8, transparent: true } },
        {
          name: 't1',
          kind: 'tap',
          address: '02:00:00:00:00:aa',
          mtu: 9000,
          up: true,
          master: 'br0',
          tap: {
            queues: 2,
            gso: false,
            peer: {
              name: 'eth0',
              netns: '1234',
              address: '12:34:56:01:02:03',
              mtu: 1400,
              up: true,
              addresses: ['10.0.0.1/24', 'fd00::1/64'],
            },
          },
          port: { learning: false, isolated: true, fdb_limit: 100, storm: { broadcast: 1000 } },
        },
        { name: 'p1', kind: 'packet', mtu: 1500, packet: { dev: 'eth1', netns: 'x' } },
        { name: 'f1', kind: 'pcap', pcap: { read: '/etc/sluice/in.pcap', write: '/out.pcapng' } },
        { name: '7', kind: 'memory' },
      ],
      fdb: [
        { mac: '02:00:00:00:00:01', dev: 't1', state: 'static', sticky: true },
        { mac: '02:00:00:00:00:02', dev: 'br0', state: 'permanent' },
        { mac: '02:00:00:00:00:03', dev: 't1', state: 'permanent' },
      ],
    });
  });

  it.each(['', '# nothing\n', 'links:\nfdb:\ndataplane:\n', '---\n{}\n', 'null'])('may be empty: %j', (text) => {
    expect(parseConfig(text, 'a.yaml')).toEqual({ links: [], fdb: [] });
  });

  it('finds relative files beside itself, and those of standard input in the working directory', () => {
    const text =
      'links: {f: {type: pcap, read: ../in.pcap}, t: {type: tap, peer: {netns: ./ns}}, p: {type: packet, dev: e, netns: red}}';
    const paths = (file: string): unknown =>
      parseConfig(text, file, '/home/u').links.map(
        ({ pcap, tap, packet }) => pcap?.read ?? tap?.peer?.netns ?? packet?.netns,
      );
    expect(paths('nets/a.yaml')).toEqual(['/home/u/in.pcap', '/home/u/nets/ns', 'red']);
    expect(paths('-')).toEqual(['/home/in.pcap', '/home/u/ns', 'red']);
  });

  it('takes times in any unit', () => {
    const ageing = (time: string): unknown =>
      parseConfig(`links: {b: {type: bridge, ageing_time: ${time}}}`, 'a').links[0].bridge?.ageing_time;
    expect(['0', '0s', '10ms', '0.29s', '1s', '2m', '2min', '298h'].map(ageing)).toEqual([
      0, 0, 1, 29, 100, 12_000, 12_000, 107_280_000,
    ]);
  });

  it('keeps the order of the file, whatever the names are', () => {
    const { links } = parseConfig(
      'links: {b: {type: memory}, 2: {type: memory}, __proto__: {type: memory}, 1: {type: memory}}',
      'a.yaml',
    );
    expect(links.map(({ name }) => name)).toEqual(['b', '2', '__proto__', '1']);
  });

  it('may use anchors', () => {
    const text =
      'links:\n  b: {type: bridge}\n  x: {type: memory, master: b, port: &p {isolated: on}}\n  y: {type: memory, master: b, port: *p}';
    expect(parseConfig(text, 'a.yaml').links[2].port).toEqual({ isolated: true });
  });
});

const TYPES = 'the types are bridge, tap, packet, pcap, memory, veth, vlan, dummy, lo';

describe('a refusal names file, line and key:', () => {
  it.each([
    // YAML
    [
      'links: [',
      'net.yaml:1: Flow sequence in block collection must be sufficiently indented and end with a ]; correct the YAML there',
    ],
    ['links:\n  a: {type: tap}\n\tb: {}', 'net.yaml:3: Tabs are not allowed as indentation; correct the YAML there'],
    ['links:\n  x: {type: !mine tap}', 'net.yaml:2: Unresolved tag: !mine; correct the YAML there'],
    ['links: {}\n---\nlinks: {}', 'net.yaml:2: a second YAML document begins; leave one in the file'],
    ['links:\n  a: *b', 'net.yaml:2: links.a: there is no anchor "&b" above it; write the value out'],
    ['links: {? [a]\n : {type: tap}}', 'net.yaml:1: links: a key of it is no name; write it as "key: value"'],
    // Structure
    [
      'just text',
      'net.yaml:1: must be a map of links, namespaces, routes and more, not "just text"; write for example links: {br0: {type: bridge}}',
    ],
    [
      '- links',
      'net.yaml:1: must be a map of links, namespaces, routes and more, not a list; write for example links: {br0: {type: bridge}}',
    ],
    ['link: {}', 'net.yaml:1: link: there is no such key; did you mean "links"?'],
    [
      'routes: {}',
      'net.yaml:1: routes: must be a list of routes, not a map; write for example [{to: default, via: 10.0.0.2}]',
    ],
    [
      'links: []',
      'net.yaml:1: links: must be a map of links by name, not a list; write for example {br0: {type: bridge}}',
    ],
    [
      'links:\n  x: tap',
      'net.yaml:2: links.x: must be a map that says its type, not "tap"; write for example {type: tap}',
    ],
    [
      'links:\n  x:\n',
      'net.yaml:2: links.x: must be a map that says its type, not empty; write for example {type: tap}',
    ],
    ['links:\n  x:\n    up: on', 'net.yaml:2: links.x: "type" is missing; write for example "type: tap"'],
    [
      'links:\n  x: {type: tap}\n  y: {type: tap}\n  x: {type: tap}',
      'net.yaml:4: links.x: it is there twice; leave one of them',
    ],
    [
      'links:\n  x:\n    type: tap\n    mtu: 1500\n    mtu: 1600',
      'net.yaml:5: links.x.mtu: it is there twice; leave one of them',
    ],
    [
      'fdb: {mac: 1}',
      'net.yaml:1: fdb: must be a list of stations, not a map; write for example [{mac: 02:00:00:00:00:01, dev: t1}]',
    ],
    ['fdb:\n  - x', 'net.yaml:2: fdb[0]: must be a map, not "x"; write for example {KEY: VALUE}'],
    ['fdb:\n  - {dev: x}', 'net.yaml:2: fdb[0]: "mac" is missing; write for example "mac: 02:00:00:00:00:01"'],
    ['dataplane: busy', 'net.yaml:1: dataplane: must be a map, not "busy"; write for example {KEY: VALUE}'],
    // Unknown keys
    [link('type: tap, mtuu: 1500'), 'net.yaml:3: links.x.mtuu: there is no such key; did you mean "mtu"?'],
    [
      link('type: tap, mac: 02:00:00:00:00:01'),
      'net.yaml:3: links.x.mac: there is no such key; did you mean "address"?',
    ],
    [
      link('type: tap, peer: {addresses: []}'),
      'net.yaml:3: links.x.peer.addresses: there is no such key; did you mean "addr"?',
    ],
    [
      'links:\n  b: {type: bridge, ageing-time: 3s}',
      'net.yaml:2: links.b.ageing-time: there is no such key; did you mean "ageing_time"?',
    ],
    [
      link('type: tap, ageing_time: 3s'),
      'net.yaml:3: links.x.ageing_time: a tap has no such key, a bridge has; remove it',
    ],
    [
      'links:\n  b: {type: bridge, master: c}',
      'net.yaml:2: links.b.master: a bridge has no such key, a tap or packet or pcap or memory or veth or vlan or dummy has; remove it',
    ],
    [
      link('type: memory, colour: red'),
      'net.yaml:3: links.x.colour: there is no such key; it can be type, address, addr, addrgenmode, up, mtu, master, port',
    ],
    [
      link('type: memory, master: br0, port: {state: blocking}'),
      'net.yaml:3: links.x.port.state: there is no such key; it can be learning, flood, bcast_flood, mcast_flood, isolated, hairpin, locked, group_fwd_mask, fdb_limit, storm',
    ],
    [
      'fdb: [{mac: 02:00:00:00:00:01, dev: x, vlan: 7}]',
      'net.yaml:1: fdb[0].vlan: there is no such key; it can be mac, dev, state, sticky',
    ],
    // Values
    [link('type: tab'), 'net.yaml:3: links.x.type: there is no type "tab"; did you mean "tap"?'],
    [link('type: vxlan'), `net.yaml:3: links.x.type: links of type vxlan are not there yet; ${TYPES}`],
    [link('type: 3'), `net.yaml:3: links.x.type: there is no type 3; ${TYPES}`],
    [
      link('type: tap, mtu: big'),
      'net.yaml:3: links.x.mtu: must be an integer from 68 to 65521, not "big"; write for example 1500',
    ],
    [
      link('type: tap, mtu: 67'),
      'net.yaml:3: links.x.mtu: must be an integer from 68 to 65521, not 67; write for example 1500',
    ],
    [
      link('type: tap, mtu: 65522'),
      'net.yaml:3: links.x.mtu: must be an integer from 68 to 65521, not 65522; write for example 1500',
    ],
    [
      link('type: memory, mtu: 65536'),
      'net.yaml:3: links.x.mtu: must be an integer from 68 to 65535, not 65536; write for example 1500',
    ],
    [
      link('type: tap, mtu: 1500.5'),
      'net.yaml:3: links.x.mtu: must be an integer from 68 to 65521, not 1500.5; write for example 1500',
    ],
    [
      link('type: tap, peer: {mtu: 1}'),
      'net.yaml:3: links.x.peer.mtu: must be an integer from 68 to 65521, not 1; write for example 1500',
    ],
    [
      link('type: tap, queues: 0'),
      'net.yaml:3: links.x.queues: must be an integer from 1 to 256, not 0; write for example 2',
    ],
    [
      link('type: tap, queues: 257'),
      'net.yaml:3: links.x.queues: must be an integer from 1 to 256, not 257; write for example 2',
    ],
    [link('type: tap, gso: maybe'), 'net.yaml:3: links.x.gso: must be on or off, not "maybe"; write for example on'],
    [link('type: tap, up: 1'), 'net.yaml:3: links.x.up: must be on or off, not 1; write for example on'],
    [link('type: tap, up:'), 'net.yaml:3: links.x.up: must be on or off, not empty; write for example on'],
    [
      'links:\n  b:\n    type: bridge\n    ageing_time: 30000',
      'net.yaml:4: links.b.ageing_time: must be a time with its unit, not 30000; write for example 300s',
    ],
    [
      'links:\n  b: {type: bridge, ageing_time: soon}',
      'net.yaml:2: links.b.ageing_time: must be a time with its unit, not "soon"; write for example 300s',
    ],
    ['links:\n  b: {type: bridge, ageing_time: 15ms}', 'net.yaml:2: links.b.ageing_time: its unit is 10 ms; round it'],
    [
      'links:\n  b: {type: bridge, ageing_time: 299h}',
      'net.yaml:2: links.b.ageing_time: it is too long; use 1073741s at most',
    ],
    [
      'links:\n  b: {type: bridge, group_fwd_mask: 65536}',
      'net.yaml:2: links.b.group_fwd_mask: must be an integer from 0 to 65535, not 65536; write for example 0x8',
    ],
    [
      'links:\n  b: {type: bridge, group_fwd_mask: 0x1}',
      'net.yaml:2: links.b.group_fwd_mask: bits 0 to 2 (STP, PAUSE, LACP) cannot be forwarded; clear them, or use "transparent: on"',
    ],
    [
      link('type: memory, master: br0, port: {group_fwd_mask: 2}'),
      'net.yaml:3: links.x.port.group_fwd_mask: bit 1 (PAUSE) cannot be forwarded; clear it',
    ],
    [
      link('type: memory, master: br0, port: {storm: {broadcast: -1}}'),
      'net.yaml:3: links.x.port.storm.broadcast: must be an integer from 0 to 4294967295, not -1; write for example 1000',
    ],
    [
      'dataplane: {poll: fast}',
      'net.yaml:1: dataplane.poll: must be adaptive or busy, not "fast"; write for example adaptive',
    ],
    [
      'dataplane:\n  fdb_capacity: 1023',
      'net.yaml:2: dataplane.fdb_capacity: must be an integer from 1024 to 1048576, not 1023; write for example 65536',
    ],
    [
      'dataplane:\n  arena: 1e9',
      'net.yaml:2: dataplane.arena: must be an integer from 1024 to 524288, not 1000000000; write for example 8192',
    ],
    // Names and addresses
    [
      'links:\n  abcdefghijklmnop: {type: tap}',
      'net.yaml:2: links.abcdefghijklmnop: the name has 16 bytes; use 15 at most',
    ],
    ['links:\n  üüüüüüüü: {type: tap}', 'net.yaml:2: links."üüüüüüüü": the name has 16 bytes; use 15 at most'],
    [
      'links:\n  a b: {type: tap}',
      'net.yaml:2: links."a b": a name has no space, slash, colon or control character; use others',
    ],
    [
      'links:\n  a/b: {type: tap}',
      'net.yaml:2: links."a/b": a name has no space, slash, colon or control character; use others',
    ],
    ['links:\n  ..: {type: tap}', 'net.yaml:2: links."..": ".." is no name; use another'],
    ['links:\n  "": {type: tap}', 'net.yaml:2: links."": "" is no name; use another'],
    [
      link('type: tap, peer: {name: abcdefghijklmnop}'),
      'net.yaml:3: links.x.peer.name: must be a name, not "abcdefghijklmnop"; write for example eth0',
    ],
    [link('type: tap, peer: {name: üüüüüüüü}'), 'net.yaml:3: links.x.peer.name: the name has 16 bytes; use 15 at most'],
    [
      link('type: packet, dev: a b'),
      'net.yaml:3: links.x.dev: must be the name of a device, not "a b"; write for example eth1',
    ],
    [link('type: packet'), 'net.yaml:3: links.x: "dev" is missing; write for example "dev: eth1"'],
    [
      link('type: tap, address: 02:00'),
      'net.yaml:3: links.x.address: must be a MAC address, not "02:00"; write for example 02:00:00:00:00:01',
    ],
    [
      link('type: tap, address: 01:00:00:00:00:01'),
      'net.yaml:3: links.x.address: 01:00:00:00:00:01 is a group address; use a unicast one (first byte even)',
    ],
    [link('type: tap, address: 00:00:00:00:00:00'), 'net.yaml:3: links.x.address: the address is zero; use another'],
    [
      link('type: tap, peer: {address: ff:ff:ff:ff:ff:ff}'),
      'net.yaml:3: links.x.peer.address: ff:ff:ff:ff:ff:ff is a group address; use a unicast one (first byte even)',
    ],
    [
      link('type: tap, peer: {addr: 10.0.0.1}'),
      'net.yaml:3: links.x.peer.addr: must be an address with its prefix length, or a list of them, not "10.0.0.1"; write for example 10.0.0.1/24',
    ],
    [
      'links:\n  x:\n    type: tap\n    peer:\n      addr:\n        - 10.0.0.1/24\n        - nonsense',
      'net.yaml:7: links.x.peer.addr[1]: must be an address with its prefix length, not "nonsense"; write for example 10.0.0.1/24',
    ],
    [
      link('type: tap, peer: {addr: 10.0.0.1/33}'),
      'net.yaml:3: links.x.peer.addr: "10.0.0.1/33" is no address with a prefix length; write for example 10.0.0.1/24 or 2001:db8::1/64',
    ],
    [
      link('type: tap, peer: {addr: [10.0.0.1/24, 10.0.0.1/24]}'),
      'net.yaml:3: links.x.peer.addr: 10.0.0.1/24 is there twice; leave one of them',
    ],
    // What belongs together
    [link('type: memory, master: br1'), 'net.yaml:3: links.x.master: there is no link "br1"; did you mean "br0"?'],
    [
      'links:\n  x: {type: memory, master: lan}',
      'net.yaml:2: links.x.master: there is no link "lan"; add it with "type: bridge"',
    ],
    [
      'links:\n  y: {type: tap}\n  x: {type: memory, master: y}',
      'net.yaml:3: links.x.master: "y" is of type tap, not a bridge; name a bridge',
    ],
    [
      link('type: memory, port: {isolated: on}'),
      'net.yaml:3: links.x.port: the link is in no bridge; name one with "master"',
    ],
    [
      link('type: tap, persist: on, peer: {netns: a}'),
      'net.yaml:3: links.x.persist: a persistent device in another namespace could not be attached to again; leave out persist or peer.netns',
    ],
    [
      'links:\n  x: {type: tap, peer: {name: e, netns: a}}\n  y:\n    type: tap\n    peer: {netns: /run/netns/a, name: e}',
      'net.yaml:5: links.y.peer.name: link "x" has a kernel\'s end of that name, too; choose another',
    ],
    [
      'links:\n  x: {type: tap, peer: {name: y}}\n  y: {type: tap}',
      'net.yaml:3: links.y: link "x" has a kernel\'s end of that name, too; choose another',
    ],
    [link('type: pcap'), 'net.yaml:3: links.x: "read" or "write" is missing; name a file to read, to write, or both'],
    [link('type: pcap, read: a, write: ./a'), 'net.yaml:3: links.x.write: it is the file that is read; name another'],
    [
      'links:\n  x: {type: pcap, write: a}\n  y: {type: pcap, write: a}',
      'net.yaml:3: links.y.write: link "x" writes that file, too; choose another',
    ],
    ['fdb:\n  - {mac: 02:00:00:00:00:01, dev: x}', 'net.yaml:2: fdb[0].dev: there is no link "x"; add it to "links"'],
    [
      'links: {t1: {type: tap}}\nfdb:\n  - {mac: 02:00:00:00:00:01, dev: t2}',
      'net.yaml:3: fdb[0].dev: there is no link "t2"; did you mean "t1"?',
    ],
    [
      'links: {t1: {type: tap}}\nfdb:\n  - mac: 02:00:00:00:00:01\n    dev: t1',
      'net.yaml:4: fdb[0].dev: link "t1" is in no bridge; give it a "master"',
    ],
    [
      'links: {b: {type: bridge}}\nfdb:\n  - {mac: 03:00:00:00:00:01, dev: b}',
      'net.yaml:3: fdb[0].mac: 03:00:00:00:00:01 is a group address; use a unicast one (first byte even)',
    ],
    [
      'links: {b: {type: bridge}}\nfdb:\n  - {mac: 02:00:00:00:00:01, dev: b, state: dynamic}',
      'net.yaml:3: fdb[0].state: must be static or permanent, not "dynamic"; write for example static',
    ],
    [
      'links: {b: {type: bridge}, m: {type: memory, master: b}}\nfdb:\n  - {mac: 02:00:00:00:00:01, dev: b}\n  - {mac: 2:0:0:0:0:1, dev: m}',
      'net.yaml:4: fdb[1].mac: "b" has that address already, as fdb[0]; leave one of them',
    ],
    [
      'links: {b: {type: bridge}, m: {type: memory, master: b, address: 02:00:00:00:00:01}}\nfdb: [{mac: 02:00:00:00:00:01, dev: m}]',
      'net.yaml:2: fdb[0].mac: "b" has that address already, as that of link "m"; leave one of them',
    ],
  ])('%j', (text, message) => {
    expect(refusalOf(text)).toBe(`cannot read configuration ${message}`);
  });

  it('the first of several, by line', () => {
    const text = 'links:\n  a: {type: tap, mtuu: 1}\n  b: {type: tub}\nfdb: 3\n';
    expect(refusalOf(text)).toContain('net.yaml:2: links.a.mtuu');
  });
});

describe('limits', () => {
  const DEEP = 'it is nested too deeply, or its aliases stand for too much; write it out in the few levels that it has';

  it.each([
    ['an alias of itself', 'links: &a {x: *a}'],
    ['thousands of brackets', '['.repeat(20_000)],
    [
      'aliases of aliases',
      `a: &a0 [x]\n${Array.from({ length: 9 }, (_, i) => `b${i}: &a${i + 1} [${Array(10).fill(`*a${i}`)}]`).join('\n')}`,
    ],
  ])('%s', (_, text) => {
    expect(refusalOf(text)).toContain(DEEP);
  });

  it('1,024 ports of a bridge', () => {
    const lines = Array.from({ length: 1025 }, (_, i) => `  m${i}: {type: memory, master: b}`);
    const text = (n: number): string => `links:\n  b: {type: bridge}\n${lines.slice(0, n).join('\n')}`;
    expect(parseConfig(text(1024), 'a.yaml').links).toHaveLength(1025);
    expect(refusalOf(text(1025))).toBe(
      'cannot read configuration net.yaml:1027: links.m1024.master: "b" has 1024 ports without it, the most that a bridge can have; use a second bridge',
    );
  });

  it('4,095 links', () => {
    const text = (n: number): string =>
      `links:\n${Array.from({ length: n }, (_, i) => `  m${i}: {type: memory}`).join('\n')}`;
    expect(parseConfig(text(4095), 'a.yaml').links).toHaveLength(4095);
    expect(refusalOf(text(4096))).toBe(
      'cannot read configuration net.yaml:1: links: there are 4096; 4095 are possible',
    );
  });

  it('as many stations as the table holds', () => {
    const stations = Array.from(
      { length: 1025 },
      (_, i) => `  - {mac: '02:00:00:00:${(i >> 8).toString(16)}:${(i & 255).toString(16)}', dev: b}`,
    );
    const text = `dataplane: {fdb_capacity: 1024}\nlinks: {b: {type: bridge}}\nfdb:\n${stations.join('\n')}`;
    expect(refusalOf(text)).toBe(
      'cannot read configuration net.yaml:3: fdb: it has 1025 stations; set dataplane.fdb_capacity (now 1024) higher',
    );
  });
});

describe('a file', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is read with what the engine must know first', () => {
    const file = join(folder, 'a.yaml');
    writeFileSync(file, 'dataplane: {arena: 4096}\nlinks: {f: {type: pcap, read: in.pcap}}\n');
    const { config, dataplane, text } = loadConfig(file);
    expect(config.links[0].pcap).toEqual({ read: join(folder, 'in.pcap') });
    expect(dataplane).toEqual({ poll: 'adaptive', fdb_capacity: 65_536, arena: 4096 });
    expect(text).toContain('arena');
  });

  it('that is not there, or a folder, is refused', () => {
    expect(() => loadConfig(join(folder, 'none'))).toThrow(
      `cannot read configuration ${join(folder, 'none')}: there is no such file; check the path`,
    );
    expect(() => loadConfig(folder)).toThrow(`cannot read configuration ${folder}: it is a directory; check the path`);
  });
});
