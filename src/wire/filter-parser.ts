/*
 * A capture filter's text to its condition: the grammar of pcap-filter(7), recursive descent.
 *
 *   expression = operand { and|or operand }          and, or: equally strong, from the left
 *   operand    = not operand | ( expression ) | relation | primitive | id
 *   primitive  = [protocol] [direction] [type] id | protocol | less N | vlan [N] | …
 *   relation   = value > value …                     value: protocol[index:width], numbers, len, arithmetic
 *
 * An id alone takes the qualifiers of the primitive before it: "port 80 or 443". `vlan` moves everything
 * to its right by a tag, across `or` and `not` too, as libpcap does. Words that libpcap knows and this does not are
 * refused by name.
 */

import * as tree from './filter-tree.js';
import { Alu, type Condition, type Direction, type Guarded, Relation, type Value } from './filter-tree.js';
import { Kind, refuse, type Token, tokens } from './filter-words.js';
import { Vlan } from './vlan.js';

type Type = 'host' | 'net' | 'port' | 'portrange' | 'proto';

interface Qualifiers {
  protocol: string | undefined;
  direction: Direction | undefined;
  type: Type | undefined;
}

interface Parsed {
  condition: Condition;
  /** What an id behind it takes over; undefined: an id cannot stand there. */
  qualifiers: Qualifiers | undefined;
}

/** Parentheses, `not`s and signs inside each other at most. */
const MAX_DEPTH = 64;

const TYPES = new Set(['host', 'net', 'port', 'portrange', 'proto']);

/** Words of libpcap that are not supported here. */
const UNSUPPORTED = new Set(
  (
    'gateway protochain mpls pppoed pppoes geneve llc inbound outbound ifindex byte fddi tr wlan ppp slip radio atalk aarp ' +
    'decnet lat sca moprc mopdl iso esis es-is isis is-is l1 l2 iih lsp snp csnp psnp clnp ipx netbeui type subtype dir ' +
    'direction addr1 addr2 addr3 addr4 address1 address2 address3 address4 ra ta lane metac bcc oam oamf4 oamf4ec ' +
    'oamf4sc sc ilmic vpi vci connectmsg metaconnect on ifname rset ruleset rnr rulenum srnr subrulenum reason action ' +
    'fisu lssu lsu msu hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls'
  ).split(' '),
);

/** Words that cannot be ids unless a backslash says so. */
const RESERVED = new Set(['src', 'dst', 'less', 'greater', 'vlan', 'broadcast', 'multicast', 'len', 'length', 'mask']);

/** Service names that can stand for a port, with the protocols they are registered for. */
const SERVICES = new Map(
  (
    'ftp-data:20:tcp ftp:21:tcp ssh:22:tcp telnet:23:tcp smtp:25:tcp domain:53 bootps:67:udp bootpc:68:udp tftp:69:udp ' +
    'http:80:tcp www:80:tcp kerberos:88 pop3:110:tcp sunrpc:111 ntp:123:udp netbios-ns:137:udp imap:143:tcp imap2:143:tcp ' +
    'snmp:161 snmp-trap:162 snmptrap:162 bgp:179:tcp ldap:389 https:443 microsoft-ds:445:tcp isakmp:500:udp ' +
    'syslog:514:udp dhcpv6-client:546:udp dhcpv6-server:547:udp submission:587:tcp ldaps:636 rsync:873:tcp ' +
    'imaps:993:tcp pop3s:995:tcp openvpn:1194 nfs:2049 mysql:3306:tcp ms-wbt-server:3389:tcp ipsec-nat-t:4500:udp ' +
    'sip:5060 mdns:5353:udp postgresql:5432:tcp redis:6379:tcp'
  )
    .split(' ')
    .map((entry) => {
      const [name, port, protocol] = entry.split(':');
      return [name, { port: Number(port), protocol }] as const;
    }),
);

/** Names behind `proto`, by what stands before it. */
const IP_NUMBERS: Record<string, number> = {
  icmp: 1,
  igmp: 2,
  ipencap: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  gre: 47,
  esp: 50,
  ah: 51,
  'ipv6-icmp': 58,
  ospf: 89,
  pim: 103,
  vrrp: 112,
  sctp: 132,
};
const ETHER_NUMBERS: Record<string, number> = { ip: 0x0800, arp: 0x0806, rarp: 0x8035, ip6: 0x86dd, loopback: 0x9000 };

const RELATIONS: Record<string, { relation: Relation; isReversed: boolean }> = {
  '>': { relation: Relation.GREATER, isReversed: false },
  '>=': { relation: Relation.GREATER_OR_EQUAL, isReversed: false },
  '=': { relation: Relation.EQUAL, isReversed: false },
  '==': { relation: Relation.EQUAL, isReversed: false },
  '<=': { relation: Relation.GREATER, isReversed: true },
  '<': { relation: Relation.GREATER_OR_EQUAL, isReversed: true },
  '!=': { relation: Relation.EQUAL, isReversed: true },
};

/** How strongly a sign binds. % and ^ have no strength in libpcap's grammar: they take all that follows. */
const SIGNS: Record<string, { alu: Alu; strength: number }> = {
  '|': { alu: Alu.OR, strength: 1 },
  '&': { alu: Alu.AND, strength: 2 },
  '<<': { alu: Alu.SHIFT_LEFT, strength: 3 },
  '>>': { alu: Alu.SHIFT_RIGHT, strength: 3 },
  '+': { alu: Alu.ADD, strength: 4 },
  '-': { alu: Alu.SUBTRACT, strength: 4 },
  '*': { alu: Alu.MULTIPLY, strength: 5 },
  '/': { alu: Alu.DIVIDE, strength: 5 },
  '%': { alu: Alu.MODULO, strength: Infinity },
  '^': { alu: Alu.XOR, strength: Infinity },
};

export function parseCondition(filter: string): Condition {
  const parser = new Parser(filter);
  return parser.whole();
}

class Parser {
  private readonly filter: string;
  private readonly tokens: Token[];
  private next = 0;
  private depth = 0;
  /** Bytes of the VLAN tags stepped over so far. */
  private shift = 0;

  constructor(filter: string) {
    this.filter = filter;
    this.tokens = tokens(filter);
  }

  whole(): Condition {
    if (this.tokens.length === 1) return { op: 'always' };
    const { condition } = this.expression(undefined);
    if (this.token.kind !== Kind.END) this.unexpected();
    return condition;
  }

  private get token(): Token {
    return this.tokens[this.next];
  }

  private fail(cause: string, token = this.token, hint?: string): never {
    return refuse(this.filter, cause, token.at, hint);
  }

  private unexpected(): never {
    if (this.token.kind === Kind.END) this.fail('something is missing');
    const known = UNSUPPORTED.has(this.token.text) ? 'is not supported' : 'is unexpected';
    return this.fail(`"${this.token.text}" ${known}`);
  }

  private is(text: string): boolean {
    return this.token.text === text && !this.token.isQuoted;
  }

  /** Steps over a word or sign if it is the next. */
  private take(...texts: string[]): boolean {
    if (!texts.some((text) => this.is(text))) return false;
    this.next++;
    return true;
  }

  private expect(text: string): void {
    if (!this.take(text))
      this.fail(this.token.kind === Kind.END ? `"${text}" is missing` : `"${this.token.text}" instead of "${text}"`);
  }

  private number(): number {
    if (this.token.kind !== Kind.NUMBER) this.fail(`"${this.token.text}" is not a number`);
    return this.tokens[this.next++].value;
  }

  private deeper<T>(body: () => T): T {
    if (++this.depth > MAX_DEPTH)
      this.fail('too deep', this.token, `at most ${MAX_DEPTH} parentheses inside each other`);
    const result = body();
    this.depth--;
    return result;
  }

  private expression(qualifiers: Qualifiers | undefined): Parsed {
    let left = this.operand(qualifiers);
    for (;;) {
      const isAnd = this.is('and') || this.is('&&');
      if (!this.take('and', '&&', 'or', '||')) return left;
      const right = this.operand(left.qualifiers);
      const condition = isAnd ? tree.and(left.condition, right.condition) : tree.or(left.condition, right.condition);
      left = { condition, qualifiers: right.qualifiers };
    }
  }

  private operand(qualifiers: Qualifiers | undefined): Parsed {
    if (this.take('not', '!')) {
      const { condition, qualifiers: after } = this.deeper(() => this.operand(qualifiers));
      return { condition: tree.not(condition), qualifiers: after };
    }
    if (this.isRelation()) return { condition: this.relation(), qualifiers: undefined };
    if (this.take('(')) {
      const { condition } = this.deeper(() => this.expression(qualifiers));
      this.expect(')');
      return { condition, qualifiers };
    }
    if (!this.isId()) return this.primitive();
    const { token } = this;
    if (qualifiers === undefined) {
      this.fail(
        `"${token.text}" ${UNSUPPORTED.has(token.text) ? 'is not supported' : 'has no qualifier'}`,
        token,
        'say what it is: host, net, port, …',
      );
    }
    return { condition: this.id(qualifiers), qualifiers };
  }

  /** Whether a comparison sign stands before the end of this operand, at this level of parentheses; or an index does. */
  private isRelation(): boolean {
    if (this.tokens[this.next + 1]?.text === '[' && this.token.kind === Kind.WORD) return true;
    let depth = 0;
    for (let i = this.next; i < this.tokens.length; i++) {
      const { text, kind } = this.tokens[i];
      if (text === '(' || text === '[') depth++;
      if ((text === ')' || text === ']') && --depth < 0) return false;
      if (depth > 0) continue;
      if (text === 'and' || text === '&&' || text === 'or' || text === '||') return false;
      if (kind === Kind.SIGN && Object.hasOwn(RELATIONS, text)) return true;
    }
    return false;
  }

  private isId(): boolean {
    const { kind, text, isQuoted } = this.token;
    if (kind === Kind.END || kind === Kind.SIGN) return false;
    if (kind !== Kind.WORD || isQuoted) return true;
    return !(tree.isProtocol(text) || TYPES.has(text) || RESERVED.has(text) || /^(and|or|not)$/.test(text));
  }

  // --- primitives ------------------------------------------------------------------------------

  private primitive(): Parsed {
    const simple = this.simple();
    if (simple !== undefined) return { condition: simple, qualifiers: undefined };
    const start = this.token;
    const protocol = start.kind === Kind.WORD && tree.isProtocol(start.text) ? start.text : undefined;
    if (protocol !== undefined) this.next++;
    if (this.take('broadcast')) return { condition: this.broadcast(protocol, start), qualifiers: undefined };
    if (this.take('multicast')) return { condition: this.multicast(protocol, start), qualifiers: undefined };
    const direction = this.direction();
    const type = TYPES.has(this.token.text) ? (this.tokens[this.next++].text as Type) : undefined;
    if (direction === undefined && type === undefined) return this.alone(protocol, start);
    if (direction !== undefined && type === 'proto') this.fail('"proto" has no direction', this.tokens[this.next - 1]);
    const qualifiers = { protocol, direction, type };
    return { condition: this.ids(qualifiers), qualifiers };
  }

  private simple(): Condition | undefined {
    if (this.take('less')) return tree.isAtMost(this.number());
    if (this.take('greater')) return tree.isAtLeast(this.number());
    if (!this.take('vlan')) return undefined;
    const { token } = this;
    const id = token.kind === Kind.NUMBER ? this.number() : -1;
    if (id > Vlan.VID_MASK) this.fail(`VLAN ${id} is over ${Vlan.VID_MASK}`, token);
    const condition = tree.vlan(id, this.shift);
    this.shift += Vlan.BYTES;
    return condition;
  }

  private alone(protocol: string | undefined, start: Token): Parsed {
    if (protocol === undefined) this.unexpected();
    if (protocol === 'ether' || protocol === 'link') {
      if (UNSUPPORTED.has(this.token.text)) this.unexpected();
      this.fail(`"${protocol}" alone says nothing`, start, 'for example: ether host 02:00:00:00:00:01');
    }
    return { condition: tree.protocol(protocol, this.shift), qualifiers: undefined };
  }

  private direction(): Direction | undefined {
    const first = this.token.text;
    if (!this.take('src', 'dst')) return undefined;
    const second = this.tokens[this.next + 1]?.text;
    if (second === (first === 'src' ? 'dst' : 'src') && (this.is('or') || this.is('and'))) {
      const word = this.token.text;
      this.next += 2;
      return word === 'or' ? 'src or dst' : 'src and dst';
    }
    return first as Direction;
  }

  private broadcast(protocol: string | undefined, start: Token): Condition {
    if (protocol === 'ip')
      this.fail('"ip broadcast" is not supported', start, 'a link has no netmask; use "broadcast"');
    if (protocol === undefined || protocol === 'ether' || protocol === 'link') {
      return tree.etherHost(new Uint8Array(6).fill(255), 'dst');
    }
    return this.fail(`"${protocol} broadcast" means nothing`, start);
  }

  private multicast(protocol: string | undefined, start: Token): Condition {
    if (protocol === 'ip') return tree.ipGroup(this.shift);
    if (protocol === 'ip6') return tree.ip6Group(this.shift);
    if (protocol === undefined || protocol === 'ether' || protocol === 'link') return tree.etherGroup();
    return this.fail(`"${protocol} multicast" means nothing`, start);
  }

  // --- ids -------------------------------------------------------------------------------------

  /** One id, or several in parentheses. */
  private ids(qualifiers: Qualifiers): Condition {
    if (this.take('not', '!')) return tree.not(this.deeper(() => this.ids(qualifiers)));
    if (this.take('(')) {
      const condition = this.deeper(() => this.idList(qualifiers));
      this.expect(')');
      return condition;
    }
    if (!this.isId()) this.unexpected();
    return this.id(qualifiers);
  }

  private idList(qualifiers: Qualifiers): Condition {
    let condition = this.ids(qualifiers);
    for (;;) {
      const isAnd = this.is('and') || this.is('&&');
      if (!this.take('and', '&&', 'or', '||')) return condition;
      const right = this.ids(qualifiers);
      condition = isAnd ? tree.and(condition, right) : tree.or(condition, right);
    }
  }

  private id(qualifiers: Qualifiers): Condition {
    const token = this.tokens[this.next++];
    switch (token.kind) {
      case Kind.NUMBER:
        return this.numberId(token, qualifiers);
      case Kind.IPV4:
        return this.ipv4Id(token, qualifiers);
      case Kind.IPV6:
        return this.ipv6Id(token, qualifiers);
      case Kind.MAC:
        return this.macId(token, qualifiers);
      default:
        return this.nameId(token, qualifiers);
    }
  }

  private numberId(token: Token, qualifiers: Qualifiers): Condition {
    switch (qualifiers.type) {
      case 'port':
      case 'portrange':
        return this.ports(token, token.value, token.value, undefined, qualifiers);
      case 'proto':
        return this.proto(token, token.value, qualifiers);
      case 'net':
        return this.shortNet(token, qualifiers);
      default:
        return this.host4(token, token.value | 0, -1, qualifiers);
    }
  }

  /** `net 10` is 10.0.0.0/8. */
  private shortNet(token: Token, qualifiers: Qualifiers): Condition {
    let value = token.value | 0;
    let bits = 32;
    while (value !== 0 && value >>> 24 === 0) {
      value <<= 8;
      bits -= 8;
    }
    return this.host4(token, value, tree.maskOf(bits), qualifiers);
  }

  private ipv4Id(token: Token, qualifiers: Qualifiers): Condition {
    const { type } = qualifiers;
    if (type === 'port' || type === 'portrange' || type === 'proto')
      this.fail(`"${type}" does not go with an address`, token);
    const mask = this.mask(token);
    if (mask === undefined) return this.host4(token, token.value, tree.maskOf(token.bits), qualifiers);
    if (type !== 'net') this.fail('a mask goes with "net" only', token);
    if ((token.value & ~mask) !== 0) this.fail(`"${token.text}" has bits outside its mask`, token);
    return this.host4(token, token.value, mask, qualifiers);
  }

  /** /BITS or mask MASK behind an IPv4 address, if there is one. */
  private mask(address: Token): number | undefined {
    if (this.take('/')) {
      const bits = this.number();
      if (bits > 32) this.fail(`mask of ${bits} bits`, address);
      return tree.maskOf(bits);
    }
    if (!this.take('mask')) return undefined;
    const token = this.tokens[this.next++];
    if (token.kind !== Kind.IPV4) this.fail(`"${token.text}" is not a mask`, token);
    return token.value;
  }

  private host4(token: Token, address: number, mask: number, qualifiers: Qualifiers): Condition {
    const { protocol, direction } = qualifiers;
    if (protocol !== undefined && !tree.hasIpv4Host(protocol)) this.fail(`"${protocol}" has no IPv4 addresses`, token);
    return tree.host4(address, mask, protocol, direction, this.shift);
  }

  private ipv6Id(token: Token, { protocol, direction, type }: Qualifiers): Condition {
    if (type === 'port' || type === 'portrange' || type === 'proto')
      this.fail(`"${type}" does not go with an address`, token);
    const bits = this.take('/') ? this.number() : 128;
    if (bits > 128) this.fail(`mask of ${bits} bits`, token);
    if (bits !== 128 && type !== 'net') this.fail('a mask goes with "net" only', token);
    if (protocol !== undefined && protocol !== 'ip6') this.fail(`"${protocol}" has no IPv6 addresses`, token);
    if (hasBitsBehind(token.bytes, bits)) this.fail(`"${token.text}" has bits outside its mask`, token);
    return tree.host6(token.bytes, bits, direction, this.shift);
  }

  private macId(token: Token, { protocol, direction, type }: Qualifiers): Condition {
    const isEther = protocol === 'ether' || protocol === 'link';
    if (!isEther || (type !== undefined && type !== 'host')) {
      this.fail(`"${token.text}" is an Ethernet address`, token, 'write: ether host ADDRESS');
    }
    return tree.etherHost(token.bytes, direction);
  }

  private nameId(token: Token, qualifiers: Qualifiers): Condition {
    switch (qualifiers.type) {
      case 'port':
        return this.servicePort(token, qualifiers);
      case 'portrange':
        return this.portRange(token, qualifiers);
      case 'proto':
        return this.protoName(token, qualifiers);
      default:
        return this.fail(`name "${token.text}"`, token, 'names are not looked up: give an address');
    }
  }

  private servicePort(token: Token, qualifiers: Qualifiers): Condition {
    const service = SERVICES.get(token.text);
    if (service === undefined) this.fail(`unknown port "${token.text}"`, token, 'give its number');
    return this.ports(token, service.port, service.port, service.protocol, qualifiers);
  }

  private portRange(token: Token, qualifiers: Qualifiers): Condition {
    const range = /^(\d+)-(\d+)$/.exec(token.text);
    if (range === null) this.fail(`unknown port range "${token.text}"`, token, 'write: portrange 5000-6000');
    return this.ports(token, Number(range[1]), Number(range[2]), undefined, qualifiers);
  }

  private ports(
    token: Token,
    first: number,
    last: number,
    service: string | undefined,
    { protocol, direction }: Qualifiers,
  ): Condition {
    if (protocol !== undefined && !/^(tcp|udp|sctp)$/.test(protocol)) this.fail(`"${protocol}" has no ports`, token);
    if (service !== undefined && protocol !== undefined && service !== protocol) {
      this.fail(`port "${token.text}" is ${service}, not ${protocol}`, token);
    }
    if (first > 65535 || last > 65535) this.fail(`port "${token.text}" is over 65535`, token);
    return tree.ports(first, last, protocol ?? service, direction, this.shift);
  }

  private protoName(token: Token, qualifiers: Qualifiers): Condition {
    const { protocol } = qualifiers;
    const names = protocol === 'ether' || protocol === 'link' ? ETHER_NUMBERS : IP_NUMBERS;
    if (!Object.hasOwn(names, token.text)) this.fail(`unknown protocol "${token.text}"`, token, 'give its number');
    return this.proto(token, names[token.text], qualifiers);
  }

  private proto(token: Token, number: number, { protocol }: Qualifiers): Condition {
    if (protocol === undefined || protocol === 'ip' || protocol === 'ip6') {
      return tree.carries(number, protocol, this.shift);
    }
    if (protocol !== 'ether' && protocol !== 'link') this.fail(`"${protocol} proto" means nothing`, token);
    // IPX and AppleTalk have several encapsulations each.
    const isOdd = number === 0xe0 || number === 0x809b || number === 0x80f3;
    if (isOdd) this.fail(`"ether proto ${token.text}" is not supported`, token);
    return tree.etherType(number, this.shift);
  }

  // --- relations -------------------------------------------------------------------------------

  private relation(): Condition {
    const left = this.value(0);
    const sign = this.tokens[this.next++];
    if (!Object.hasOwn(RELATIONS, sign.text)) {
      this.fail('nothing is compared', sign, 'for example: tcp[13] & 2 != 0');
    }
    const { relation, isReversed } = RELATIONS[sign.text];
    return tree.compare(relation, isReversed, left, this.value(0));
  }

  /** Arithmetic of signs that bind more strongly than `strength`. */
  private value(strength: number): Guarded {
    let left = this.deeper(() => this.atom());
    for (;;) {
      const { token } = this;
      const sign = token.kind === Kind.SIGN && Object.hasOwn(SIGNS, token.text) ? SIGNS[token.text] : undefined;
      if (sign === undefined || sign.strength <= strength) return left;
      this.next++;
      const right = this.deeper(() => this.value(sign.strength === Infinity ? 0 : sign.strength));
      this.checkConstant(sign.alu, right.value, token);
      // libpcap keeps the left side's guard only.
      left = { value: { op: 'alu', alu: sign.alu, left: left.value, right: right.value }, guard: left.guard };
    }
  }

  private checkConstant(alu: Alu, right: Value, token: Token): void {
    if (right.op !== 'number') return;
    if ((alu === Alu.DIVIDE || alu === Alu.MODULO) && right.value === 0) this.fail('division by zero', token);
    const isShift = alu === Alu.SHIFT_LEFT || alu === Alu.SHIFT_RIGHT;
    if (isShift && right.value > 31) this.fail('shift by more than 31 bits', token);
  }

  private atom(): Guarded {
    const { token } = this;
    if (token.kind === Kind.NUMBER) return { value: { op: 'number', value: this.number() }, guard: undefined };
    if (this.take('len', 'length')) return { value: { op: 'length' }, guard: undefined };
    if (this.take('-')) {
      // Stronger than every sign but % and ^.
      const { value, guard } = this.deeper(() => this.value(5));
      return { value: { op: 'negate', of: value }, guard };
    }
    if (this.take('(')) {
      const inner = this.deeper(() => this.value(0));
      this.expect(')');
      return inner;
    }
    return this.load();
  }

  private load(): Guarded {
    const { token } = this;
    if (token.kind !== Kind.WORD || !tree.isProtocol(token.text)) this.unexpected();
    this.next++;
    this.expect('[');
    const index = this.value(0);
    const widthToken = this.tokens[this.next + 1];
    const width = this.take(':') ? this.number() : 1;
    if (width !== 1 && width !== 2 && width !== 4)
      this.fail(`${width} bytes`, widthToken, 'one can look at 1, 2 or 4 bytes');
    this.expect(']');
    return tree.load(token.text, index, width, this.shift) ?? this.fail(`"${token.text}[…]" is not supported`, token);
  }
}

function hasBitsBehind(address: Uint8Array, bits: number): boolean {
  return address.some((byte, i) => (byte & ~(tree.maskOf(bits - i * 8) >>> 24)) !== 0);
}
