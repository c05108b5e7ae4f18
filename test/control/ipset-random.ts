/* Commands of ipset by chance: of all types that the kernel has, mostly good ones. */

export type Random = (n: number) => number;

const TYPES = [
  'hash:ip',
  'hash:net',
  'hash:ip,port',
  'hash:net,port',
  'hash:ip,port,ip',
  'hash:ip,port,net',
  'hash:net,iface',
  'bitmap:ip',
  'bitmap:ip,mac',
  'bitmap:port',
  'list:set',
] as const;

type Type = (typeof TYPES)[number];

export class RandomCommands {
  private readonly kinds = new Map<string, { type: Type; isIpv6: boolean }>();

  constructor(private readonly random: Random) {}

  private pick<T>(list: readonly T[]): T {
    return list[this.random(list.length)];
  }

  private chance(percent: number): boolean {
    return this.random(100) < percent;
  }

  private name(): string {
    return `s${this.random(9)}`;
  }

  next(): string {
    const kind = this.random(20);
    if (kind < 3 || this.kinds.size === 0) return this.create();
    if (kind < 10) return `${this.exist()}add ${this.member(true)}`;
    if (kind < 13) return `${this.exist()}del ${this.member(false)}`;
    if (kind < 16) return `test ${this.member(false)}`;
    if (kind === 16) return `swap ${this.name()} ${this.name()}`;
    if (kind === 17)
      return this.pick([`flush ${this.name()}`, `destroy ${this.name()}`, `rename ${this.name()} ${this.name()}`]);
    return `${this.pick(['save', 'list', 'list -o xml', 'list -t'])} ${this.name()} -s`;
  }

  private exist(): string {
    return this.chance(25) ? '-exist ' : '';
  }

  private create(): string {
    const name = this.name();
    const type = this.pick(TYPES);
    const isIpv6 = type.startsWith('hash:') && this.chance(25);
    if (!this.kinds.has(name)) this.kinds.set(name, { type, isIpv6 });
    const words = [`${this.exist()}create ${name} ${type}`];
    if (isIpv6) words.push(this.pick(['family inet6', '-6']));
    if (type.startsWith('bitmap:ip'))
      words.push(`range ${this.pick(['10.0.0.0/24', '10.0.0.5-10.0.0.90', '10.0.0.0/16'])}`);
    if (type === 'bitmap:ip' && this.chance(20)) words.push(`netmask ${20 + this.random(13)}`);
    if (type === 'bitmap:port') words.push(`range ${this.pick(['0-1024', '50-100', '90-10', 'tcp:70-80'])}`);
    if ((type === 'hash:ip' || type === 'hash:ip,port') && this.chance(15))
      words.push(`netmask ${8 + this.random(27)}`);
    for (const word of ['counters', 'comment', 'skbinfo', 'timeout 9000']) if (this.chance(20)) words.push(word);
    if (type.startsWith('hash:') && this.chance(20)) {
      // Of larger tables the kernel counts members by parts.
      words.push(`maxelem ${this.random(8) + 3}`, `hashsize ${this.random(1025)}`);
    }
    if (this.chance(4)) words.push(this.pick(['nomatch', 'size 3', 'family foo', 'timeout x', 'probes', 'maxelem -1']));
    return words.join(' ');
  }

  private member(isAdd: boolean): string {
    const known = [...this.kinds.keys()];
    const name = this.chance(96) ? this.pick(known) : this.name();
    const { type, isIpv6 } = this.kinds.get(name) ?? { type: this.pick(TYPES), isIpv6: false };
    const words = [name, this.element(this.chance(97) ? type : this.pick(TYPES), isIpv6)];
    if (type.includes('net') && this.chance(15)) words.push('nomatch');
    if (isAdd) words.push(...this.extensions());
    if (type === 'list:set' && this.chance(30)) words.push(`${this.pick(['before', 'after'])} ${this.name()}`);
    return words.join(' ');
  }

  private extensions(): string[] {
    const words: string[] = [];
    if (this.chance(12)) words.push(`timeout ${this.pick([0, 9500, 'x'])}`);
    if (this.chance(12)) words.push(`packets ${this.random(1000)}`);
    if (this.chance(8))
      words.push(`bytes ${this.pick(['0x10', '18446744073709551614', '18446744073709551615', '010'])}`);
    if (this.chance(12)) words.push(`comment ${this.pick(['word', 'x-y', '%s'])}`);
    if (this.chance(6)) words.push(`skbmark ${this.pick(['0x1', '0x1/0xff', '7'])}`);
    if (this.chance(6)) words.push(`skbprio ${this.pick(['1:2', 'ffff:ffff', '1'])} skbqueue ${this.random(9)}`);
    return words;
  }

  private element(type: Type, isIpv6: boolean): string {
    if (type === 'list:set') return this.name();
    if (type === 'bitmap:port') return this.ports();
    const part = (name: string): string => {
      if (name === 'port') return this.protocolPorts(isIpv6);
      if (name === 'iface') return this.pick(['eth0', 'eth1', 'lo', 'physdev:eth0']);
      if (name === 'mac') return this.pick(['00:11:22:33:44:55', '0:1:2:3:4:5', 'x']);
      return this.addresses(isIpv6, name === 'net');
    };
    const parts = type.slice(type.indexOf(':') + 1).split(',');
    if (type === 'bitmap:ip,mac' && this.chance(40)) parts.pop();
    if (this.chance(2)) parts.push('ip');
    return parts.map(part).join(',');
  }

  private addresses(isIpv6: boolean, isNet: boolean): string {
    if (this.chance(2))
      return this.pick(['0.0.0.0', '::', '10.0.0', '1.2.3.4.5', 'fe80::1', '10.0.0.1/33', '10.0.0.1-']);
    if (isIpv6) {
      const one = `2001:db8:${this.random(3)}::${this.random(5) + 1}`;
      const much = this.random(10);
      if (isNet ? much < 5 : much < 1) return `${one}/${this.pick([32, 48, 64, 128, 127])}`;
      return much === 9 ? `${one}-2001:db8::9` : one;
    }
    const net = `10.0.${this.random(2)}`;
    const one = `${net}.${this.random(8)}`;
    const much = this.random(10);
    if (isNet ? much < 5 : much < 2) return `${one}/${this.pick(isNet ? [16, 24, 28, 30, 31, 32] : [28, 30, 31, 32])}`;
    return much === 9 ? `${one}-${net}.${this.random(12)}` : one;
  }

  private ports(): string {
    const one = this.pick(['80', '75', '22', 'http', 'tcp:90', 'udp:domain', '70000', '0x50']);
    return this.chance(25) ? `${one}-${70 + this.random(15)}` : one;
  }

  private protocolPorts(isIpv6: boolean): string {
    const icmp = isIpv6 ? 'icmpv6' : 'icmp';
    const protocol = this.pick(['', '', 'tcp:', 'udp:', 'sctp:', 'udplite:', '6:']);
    if (this.chance(15))
      return this.pick([`${icmp}:ping`, `${icmp}:3/1`, 'gre:0', '50:0', `${icmp}:x`, 'gre:5', 'tcp:', '0:0']);
    return `${protocol}${this.ports().replace(/^(tcp|udp):/, '')}`;
  }
}
