/*
 * `sluice conntrack` beside the real one. conntrack-answers.txt has commands in order and what conntrack-tools 1.4.7 answered to them on
 * Linux 6.18: each line of stdout behind ">", of stderr behind "!", the exit status behind "=". Timeouts are T and ids N there; lists are sorted, as
 * the kernel's hash table has no order. We answer the same to the same commands; where the real tool is installed, so does it.
 *
 * Not there, because we differ with reason: -m before -u (the real tool then marks the flow with its status), -n with an IPv6 address (it finds flows of
 * any), -F -f FAMILY (it deletes both families), -D -u UNREPLIED (it deletes all flows, while -L shows some), -i (it crashes), -a and -c and -b (they
 * have no effect, so we refuse them), and -U of several flows of which one is refused. Nor -U of several flows at all: the real tool shows the first
 * one, whichever that is.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectationText, flowText, savedText } from '../../src/cli/conntrack-format.js';
import { Labels } from '../../src/cli/conntrack-labels.js';
import { expectationXml, flowXml } from '../../src/cli/conntrack-xml.js';
import { Status } from '../../src/conntrack/flows.js';
import type { ConntrackInfo, ExpectationInfo } from '../../src/control/api/conntrack.js';
import { FlowWorld } from '../support/flow-world.js';
import { lacking, titled } from '../support/requirements.js';
import { Namespace } from './kernel.js';
import { type Outcome, sluice, words } from './run.js';

// --- recorded answers -------------------------------------------------------------------------------

interface Recorded extends Outcome {
  line: string;
}

function readAnswers(): Recorded[] {
  const text = readFileSync(new URL('conntrack-answers.txt', import.meta.url), 'utf8');
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((block) => {
      const [line, ...lines] = block.split('\n');
      const behind = (mark: string) =>
        lines.filter((one) => one.startsWith(`${mark} `)).map((one) => `${one.slice(2)}\n`);
      return { line, out: behind('>').join(''), err: behind('!').join(''), status: Number(behind('=')[0]) };
    });
}

const ANSWERS = readAnswers();

function normal(line: string, out: string): string {
  const text = out
    .replace(/(use=\d+) id=\d+/g, '$1 id=N')
    .replace(/<id>\d+<\/id>/g, '<id>N</id>')
    .replace(/^((?:ipv. +\d+ )?\w+ +\d+) \d+/gm, '$1 T')
    .replace(/-t \d+/g, '-t T')
    .replace(/<timeout>\d+/g, '<timeout>T');
  if (!/^-[LD]/.test(line) || text === '') return text;
  return `${text.split('\n').slice(0, -1).sort().join('\n')}\n`;
}

/** Behind what the real tool says comes one line of ours, where we refuse. */
function withoutOurs(err: string): string {
  return err.replace(/^cannot .*\n$/m, '');
}

describe('conntrack answers as the real one', () => {
  let world: FlowWorld;
  let socket: string;

  beforeAll(async () => {
    world = new FlowWorld();
    socket = await world.listen();
  });
  afterAll(() => world.close());

  it.each(ANSWERS.map((one, i) => [i, one] as const))('%i', async (_, { line, out, err, status }) => {
    const ours = await sluice(['conntrack', ...words(line)], socket);
    expect({ line, out: normal(line, ours.out), err: withoutOurs(ours.err), status: ours.status }).toEqual({
      line,
      out,
      err,
      status,
    });
    if (ours.status === 2) expect(ours.err).toMatch(/\ncannot conntrack.*; .*\n$/);
  });
});

const missing = lacking('root', 'iproute2', 'conntrack');
const isThatVersion = spawnSync('conntrack', ['--version'], { encoding: 'utf8' }).stdout?.includes('v1.4.7');

describe(titled('the real conntrack', missing), () => {
  it.skipIf(missing !== '' || isThatVersion !== true)('answers as recorded', { timeout: 60_000 }, () => {
    const kernel = new Namespace();
    try {
      kernel.run('sysctl -w net.netfilter.nf_conntrack_acct=0 net.netfilter.nf_conntrack_timestamp=0');
      for (const { line, out, err, status } of ANSWERS) {
        const real = kernel.run(`timeout 2 conntrack ${line}`);
        expect({ line, out: normal(line, real.out), err: real.err, status: real.status }).toEqual({
          line,
          out,
          err,
          status,
        });
      }
    } finally {
      kernel.remove();
    }
  });
});

// --- lines of flows that only packets make ----------------------------------------------------------

const FLOW: ConntrackInfo = {
  id: 3971500167,
  family: 4,
  protocol: 6,
  state: 'ESTABLISHED',
  timeout: 431_999,
  original: { src: '10.1.0.2', dst: '10.2.0.2', sport: 57_796, dport: 80, packets: 3, bytes: 165 },
  reply: { src: '10.2.0.2', dst: '10.2.0.1', sport: 80, dport: 57_796, packets: 2, bytes: 112 },
  status: Status.SEEN_REPLY | Status.ASSURED | Status.CONFIRMED | Status.SRC_NAT | Status.NAT_DONE_MASK,
  mark: 0,
};
const PLAIN = { family: false, id: false, times: false };
const BEGUN_US = Date.UTC(2026, 10, 22, 18, 14, 21) * 1000;

describe('lines as recorded of real flows', () => {
  it('have counters', () => {
    expect(flowText(FLOW, { ...PLAIN, uses: 1 })).toBe(
      'tcp      6 431999 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=57796 dport=80 packets=3 bytes=165 src=10.2.0.2 dst=10.2.0.1 sport=80 dport=57796 packets=2 bytes=112 [ASSURED] mark=0 use=1',
    );
    expect(flowXml(FLOW, { ...PLAIN, uses: 1 })).toBe(
      '<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.1.0.2</src><dst>10.2.0.2</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>57796</sport><dport>80</dport></layer4><counters><packets>3</packets><bytes>165</bytes></counters></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.2.0.2</src><dst>10.2.0.1</dst></layer3><layer4 protonum="6" protoname="tcp"><sport>80</sport><dport>57796</dport></layer4><counters><packets>2</packets><bytes>112</bytes></counters></meta><meta direction="independent"><state>ESTABLISHED</state><timeout>431999</timeout><mark>0</mark><use>1</use><id>3971500167</id><assured/></meta></flow>',
    );
  });

  it('that are saved tell NAT by its option', () => {
    expect(savedText(FLOW)).toBe(
      '-A -t 431999 -u SEEN_REPLY,ASSURED -s 10.1.0.2 -d 10.2.0.2 -r 10.2.0.2 -n 10.2.0.1 -p tcp --sport 57796 --dport 80 --reply-port-src 80 --reply-port-dst 57796 --state ESTABLISHED',
    );
    const published = { ...FLOW, original: { src: '10.1.0.2', dst: '10.1.0.1', sport: 49_114, dport: 8080 } };
    expect(savedText(published, 'update')).toContain(
      '-U -t 431999 -u SEEN_REPLY,ASSURED -s 10.1.0.2 -d 10.1.0.1 -g 10.2.0.2 -n 10.2.0.1 ',
    );
  });

  it('have times and helpers', () => {
    const helped = { ...FLOW, helper: 'ftp', start_us: BEGUN_US, stop_us: BEGUN_US + 1_200_000 };
    const date = (us: number): string => {
      const [weekday, month, day, year, clock] = new Date(us / 1000).toString().split(' ');
      return `${weekday} ${month} ${day.replace(/^0/, ' ')} ${clock} ${year}`;
    };
    expect(flowText(helped, { ...PLAIN, id: true, times: true }, 'destroy')).toBe(
      `[DESTROY] tcp      6 431999 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=57796 dport=80 packets=3 bytes=165 src=10.2.0.2 dst=10.2.0.1 sport=80 dport=57796 packets=2 bytes=112 [ASSURED] mark=0 delta-time=1 [start=${date(BEGUN_US)}] [stop=${date(BEGUN_US + 1_200_000)}] helper=ftp id=3971500167`,
    );
    expect(flowXml(helped, { ...PLAIN, times: true }, 'destroy')).toMatch(
      /^<flow type="destroy">.*<id>3971500167<\/id><assured\/><timestamp><start>\d{16}000<\/start><stop>\d{16}000<\/stop><\/timestamp><deltatime>1<\/deltatime><\/meta><helper>ftp<\/helper><\/flow>$/,
    );
  });

  it('of an event have no uses, and no timeout when it is over', () => {
    const { mark: _, timeout: __, ...over } = FLOW;
    const flow: ConntrackInfo = {
      ...over,
      family: 6,
      protocol: 17,
      status: 0,
      original: { src: 'fd01::2', dst: 'fd02::2', sport: 1, dport: 2 },
      reply: { src: 'fd02::2', dst: 'fd01::2', sport: 2, dport: 1 },
    };
    delete flow.state;
    expect(flowText(flow, { ...PLAIN, family: true }, 'destroy')).toBe(
      '[DESTROY] ipv6     10 udp      17 src=fd01::2 dst=fd02::2 sport=1 dport=2 [UNREPLIED] src=fd02::2 dst=fd01::2 sport=2 dport=1',
    );
  });

  it('of a protocol without a name say so', () => {
    const flow: ConntrackInfo = {
      ...FLOW,
      protocol: 50,
      timeout: 599,
      status: 0,
      original: { src: '10.1.0.2', dst: '10.2.0.2' },
      reply: { src: '10.2.0.2', dst: '10.2.0.1' },
    };
    delete flow.state;
    expect(flowText(flow, { ...PLAIN, family: true }, 'new')).toBe(
      '    [NEW] ipv4     2 unknown  50 599 src=10.1.0.2 dst=10.2.0.2 [UNREPLIED] src=10.2.0.2 dst=10.2.0.1 mark=0',
    );
  });

  it('of SCTP have its state, in XML by the wrong name', () => {
    const flow: ConntrackInfo = { ...FLOW, protocol: 132, timeout: 99, vtags: [5, 7] };
    expect(savedText(flow)).toContain('--state ESTABLISHED --orig-vtag 5 --reply-vtag 7');
    expect(flowXml(flow, PLAIN)).toContain('<state>FIN_WAIT</state>');
  });

  it('have the names of labels', () => {
    const labels = Labels.load(() => {}, new URL('connlabel.conf', import.meta.url).pathname);
    const flow = { ...FLOW, labels: [0, 5, 9, 127] };
    expect(flowText(flow, { ...PLAIN, uses: 1, labels })).toMatch(/ mark=0 use=1 labels=eth0-in,five,last$/);
    expect(flowXml(flow, { ...PLAIN, labels })).toContain(
      '<mark>0</mark><labels><label>eth0-in</label><label>five</label><label>last</label></labels><id>',
    );
    expect(labels.bits('five,last')).toEqual([5, 127]);
    expect(() => labels.bits('five,six')).toThrow(/there is no label "six"/);
  });

  it('of what is expected', () => {
    const one: ExpectationInfo = {
      family: 4,
      protocol: 6,
      timeout: 299,
      tuple: { src: '10.2.0.2', dst: '10.2.0.1', sport: 0, dport: 25_605 },
      mask: { src: '255.255.255.255', dst: '255.255.255.255', sport: 0, dport: 65_535 },
      master: { src: '10.1.0.2', dst: '10.2.0.2', sport: 56_876, dport: 21 },
      class: 0,
      helper: 'ftp',
    };
    expect(expectationText(one)).toBe(
      '299 proto=6 src=10.2.0.2 dst=10.2.0.1 sport=0 dport=25605 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.1.0.2 master-dst=10.2.0.2 sport=56876 dport=21 class=0 helper=ftp',
    );
    expect(expectationXml(one)).toBe(
      '<flow><layer3 protonum="2" protoname="ipv4"><expected><src>10.2.0.2</src><dst>10.2.0.1</dst></expected><mask><src>255.255.255.255</src><dst>255.255.255.255</dst></mask><master><src>10.1.0.2</src><dst>10.2.0.2</dst></master></layer3><layer4 protonum="6" protoname="tcp"><expected><sport>0</sport><dport>25605</dport></expected><mask><sport>0</sport><dport>65535</dport></mask><master><sport>56876</sport><dport>21</dport></master></layer4><meta><helper-name>ftp</helper-name><timeout>299</timeout><class>0</class></meta></flow>',
    );
  });
});

// --- ours -------------------------------------------------------------------------------------------

describe('a file of commands', () => {
  let world: FlowWorld;
  let socket: string;
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-conntrack-')), 'commands');

  beforeAll(async () => {
    world = new FlowWorld();
    socket = await world.listen();
  });
  afterAll(async () => {
    rmSync(dirname(file), { recursive: true });
    await world.close();
  });

  it.each([
    ['tcp 6', 'unknown', 'cannot conntrack tcp: a line has to name a command; write -A, -D, -F, -I or -U in front'],
    ['# none\n "foo', 'unknown', 'cannot conntrack "foo: a line has to name a command; '],
    ['-L', '-L', 'cannot conntrack -L: it changes nothing; leave it out'],
    ['-h', '-h', 'cannot conntrack -h: it changes nothing; leave it out'],
  ])('with %j is refused as by the real one', async (text, shown, ours) => {
    writeFileSync(file, `${text}\n`);
    const { status, out, err } = await sluice(['conntrack', '-R', file], socket);
    const real = `conntrack v1.4.7 (conntrack-tools): Cannot use command \`${shown}' with --load-file`;
    expect({ status, out }).toEqual({ status: 2, out: '' });
    const hint = "Try `conntrack -h' or 'conntrack --help' for more information.";
    expect(err).toContain(`${real}\n${hint}\n${ours}`);
  });
});

describe('what we do otherwise', () => {
  let world: FlowWorld;
  let socket: string;
  const run = (line: string) => sluice(['conntrack', ...words(line)], socket);

  beforeAll(async () => {
    world = new FlowWorld();
    socket = await world.listen();
  });
  afterAll(() => world.close());

  it('marks with the mark, wherever it is said', async () => {
    await run('-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 -m 5 -u SEEN_REPLY');
    expect((await run('-L')).out).toContain('mark=5');
  });

  it('deletes a family alone', async () => {
    await run('-I -p udp -s fd00::1 -d fd00::2 --sport 1 --dport 2 -t 100');
    expect((await run('-F -f ipv4')).status).toBe(0);
    expect((await run('-C')).out).toBe('1\n');
    await run('-F');
  });

  it.each([
    ['-L -c 5', 'cannot conntrack --secmark: flows have no security marks here; leave it out\n'],
    ['-E -b 5', 'cannot conntrack --buffer-size: events wait in a ring of fixed size; leave it out\n'],
    ['-E expect', 'cannot conntrack -E expect: there are no events of expectations; leave it out\n'],
  ])('%s is refused', async (line, err) => {
    expect(await run(line)).toEqual({ status: 2, out: '', err });
  });

  it('has one row of counters', async () => {
    expect((await run('-S')).out).toMatch(/^cpu=0 {3}\tfound=0 invalid=0 insert=2 .* chaintoolong=0 \n$/);
    expect((await run('-S expect')).out).toBe('cpu=0   \texpect_new=0 expect_create=0 expect_delete=0 \n');
  });

  // The real one deletes all flows, having listed some.
  it('deletes with UNREPLIED what it lists with it', async () => {
    await run('-F');
    await run('-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100');
    await run('-I -p udp -s 1.1.1.3 -d 2.2.2.2 --sport 1 --dport 2 -t 100 -u SEEN_REPLY');
    const { out, err, status } = await run('-D -u UNREPLIED');
    expect(out).toMatch(/^udp .* src=1\.1\.1\.1 .*\n$/);
    expect({ err, status }).toEqual({
      err: 'conntrack v1.4.7 (conntrack-tools): 1 flow entries have been deleted.\n',
      status: 0,
    });
    expect((await run('-L')).out).toMatch(/^udp .* src=1\.1\.1\.3 .*\n$/);
    await run('-F');
  });

  it('what it saves makes the same flows again', async () => {
    for (const line of [
      '-I -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 --state ESTABLISHED -u SEEN_REPLY,ASSURED -n 3.3.3.3:9',
      '-I -p udp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 -w 7',
      '-I -p sctp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -t 100 --state CLOSED --orig-vtag 5 --reply-vtag 7',
      '-I -p icmpv6 -s fd00::1 -d fd00::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 9 -t 100 --reply-zone 4',
      '-I -p gre -s 1.1.1.1 -d 2.2.2.2 --srckey 5 --dstkey 6 -t 100',
    ])
      expect((await run(line)).err).toContain('1 flow entries have been created');
    const { out } = await run('-L -o save');
    await run('-F');
    for (const line of out.split('\n').slice(0, -1))
      expect((await run(line)).err).toContain('1 flow entries have been added');
    const sorted = (text: string) => text.split('\n').sort();
    expect(sorted((await run('-L -o save')).out)).toEqual(sorted(out));
  });
});
