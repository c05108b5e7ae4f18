/* What FTP's lines announce; nat-answers.py has asked the kernel about whole conversations. */
import { describe, expect, it } from 'vitest';
import { FtpKind, readFtp, writeFtp } from '../../src/conntrack/ftp.js';

const [CLIENT, SERVER] = [0, 1];
const ADDRESS = 0x0a000009;

describe('readFtp', () => {
  it.each([
    ['PORT 10,0,0,9,19,137\r\n', CLIENT, { kind: FtpKind.PORT, at: 5, length: 15, address: [ADDRESS], port: 5001 }],
    ['port 10,0,0,9,0,21\r\n', CLIENT, { kind: FtpKind.PORT, at: 5, length: 13, address: [ADDRESS], port: 21 }],
    ['EPRT |1|10.0.0.9|5001|\r\n', CLIENT, { kind: FtpKind.EPRT, at: 5, length: 17, address: [ADDRESS], port: 5001 }],
    ['EPRT !1!10.0.0.9!5001!\r\n', CLIENT, { kind: FtpKind.EPRT, at: 5, length: 17, address: [ADDRESS], port: 5001 }],
    [
      '227 Ok (10,0,0,9,19,137).\r\n',
      SERVER,
      { kind: FtpKind.PASV, at: 8, length: 15, address: [ADDRESS], port: 5001 },
    ],
    ['227 10,0,0,9,19,137\r\n', SERVER, { kind: FtpKind.PASV, at: 4, length: 15, address: [ADDRESS], port: 5001 }],
    ['229 Ok (|||5001|)\r\n', SERVER, { kind: FtpKind.EPSV, at: 8, length: 8, address: [], port: 5001 }],
  ])('reads %j', (text, direction, expected) => {
    expect(readFtp(text, direction, false)).toEqual(expected);
  });

  it('reads EPRT of IPv6', () => {
    const found = readFtp('EPRT |2|2001:db8::9|5001|\r\n', CLIENT, true);
    expect(found).toEqual({ kind: FtpKind.EPRT, at: 5, length: 20, address: [0x20010db8, 0, 0, 9], port: 5001 });
  });

  it('reads PORT over IPv6, whose address is nobody’s there', () => {
    const found = readFtp('PORT 10,0,0,9,19,137\r\n', CLIENT, true);
    expect(found).toEqual({ kind: FtpKind.PORT, at: 5, length: 15, address: [ADDRESS], port: 5001 });
  });

  it.each([
    ['', CLIENT],
    ['USER me\r\n', CLIENT],
    ['NOOP PORT 10,0,0,9,19,137\r\n', CLIENT],
    ['227 Ok (10,0,0,9,19,137).\r\n', CLIENT],
    ['PORT 10,0,0,9,19,137\r\n', SERVER],
    ['220 hello\r\n', SERVER],
  ])('finds nothing in %j of side %i', (text, direction) => {
    expect(readFtp(text, direction, false)).toBe('none');
  });

  it.each([
    ['P', CLIENT],
    ['PORT', CLIENT],
    ['PORT 10,0,0', CLIENT],
    ['PORT 10,0,0,9,19,137', CLIENT],
    ['PORT 10.0.0.9.19.137\r\n', CLIENT],
    ['EPRT |2|10.0.0.9|5001|\r\n', CLIENT],
    ['EPRT |1|10.0.0.9|0|\r\n', CLIENT],
    ['227 nothing to say\r\n', SERVER],
    ['229 Ok (|||', SERVER],
    ['229 Ok', SERVER],
  ])('wants all of %j of side %i', (text, direction) => {
    expect(readFtp(text, direction, false)).toBe('partial');
  });
});

describe('writeFtp', () => {
  it.each([
    [FtpKind.PORT, [ADDRESS], '10,0,0,9,19,137'],
    [FtpKind.PASV, [ADDRESS], '10,0,0,9,19,137'],
    [FtpKind.EPRT, [ADDRESS], '|1|10.0.0.9|5001|'],
    [FtpKind.EPRT, [0x20010db8, 0, 0, 9], '|2|2001:0db8:0000:0000:0000:0000:0000:0009|5001|'],
    [FtpKind.EPSV, [ADDRESS], '|||5001|'],
  ])('writes kind %i', (kind, address, expected) => {
    expect(writeFtp(kind, address, 5001)).toBe(expected);
  });
});
