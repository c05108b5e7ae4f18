/* Columns of `ip -s link` that are wider than their headings, which the kernel's own links are too quiet for. */
import { expect, it } from 'vitest';
import { linkStats } from '../../src/cli/link-stats.js';
import type { Stats64 } from '../../src/control/api/link.js';

const STATS: Stats64 = {
  rx: {
    ...{ bytes: 123456789012, packets: 12345678, errors: 1, dropped: 2, over_errors: 3, multicast: 4 },
    ...{ length_errors: 5, crc_errors: 6, frame_errors: 7, fifo_errors: 8, missed_errors: 9 },
  },
  tx: {
    ...{ bytes: 1500, packets: 2, errors: 1234567, dropped: 3, carrier_errors: 4, collisions: 5 },
    ...{ aborted_errors: 6, fifo_errors: 7, window_errors: 8, heartbeat_errors: 9, carrier_changes: 123456789 },
  },
};

const plain = { stats: 1, human: false, iec: false };

it('widens a column for its widest number, in every line', () => {
  expect(linkStats(STATS, plain, '\n').split('\n')).toEqual([
    '    RX:    bytes  packets  errors dropped  missed   mcast           ',
    '    123456789012 12345678       1       2       9       4 ',
    '    TX:    bytes  packets  errors dropped carrier collsns           ',
    '            1500        2 1234567       3       4       5 ',
  ]);
});

it('counts the error lines too, where they are shown', () => {
  expect(linkStats(STATS, { ...plain, stats: 2 }, '\n').split('\n')).toEqual([
    '    RX:    bytes  packets  errors dropped  missed     mcast           ',
    '    123456789012 12345678       1       2       9         4 ',
    '    RX errors:     length     crc   frame    fifo   overrun',
    '                        5       6       7       8         3 ',
    '    TX:    bytes  packets  errors dropped carrier   collsns           ',
    '            1500        2 1234567       3       4         5 ',
    '    TX errors:    aborted    fifo  window heartbt   transns',
    '                        6       7       8       9 123456789 ',
  ]);
});

it('writes people numbers with -h, in thousands or with -iec in 1024s', () => {
  const [, rx, , tx] = linkStats(STATS, { ...plain, human: true }, '\n').split('\n');
  expect(rx).toBe('          123G   12.3M      1       2       9       4 ');
  expect(tx).toBe('         1.50k       2  1.23M       3       4       5 ');
  expect(linkStats(STATS, { stats: 1, human: true, iec: true }, '\n').split('\n')[1]).toBe(
    '         115Gi  11.8Mi      1       2       9       4 ',
  );
});

it('rounds halves as printf does', () => {
  const at = (packets: number) => {
    const stats = { rx: { ...STATS.rx, packets }, tx: STATS.tx };
    return linkStats(stats, { stats: 1, human: true, iec: true }, '\n').split('\n')[1].slice(15, 22).trim();
  };
  expect(at(1664)).toBe('1.62ki');
  expect(at(1920)).toBe('1.88ki');
  expect(at(1665)).toBe('1.63ki');
});
