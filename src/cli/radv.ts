/*
 * `sluice radv`: router advertisements on links, as radvd sends them.
 */
import type { AdvertisedPrefix, AdvertiserInfo, AdvertiserOptions } from '../control/api/radv.js';
import type { Request } from '../control/api/request.js';
import { askAll } from './dhcp.js';
import { type Json, json } from './json.js';
import { misuse } from './refusal.js';
import { jsonFlags, ServiceWords } from './service-words.js';
import { inSession } from './session.js';
import type { Terminal } from './terminal.js';

const PREFIX: Record<string, (prefix: AdvertisedPrefix, words: ServiceWords) => void> = {
  valid: (prefix, words) => {
    prefix.valid = words.seconds('valid');
  },
  preferred: (prefix, words) => {
    prefix.preferred = words.seconds('preferred');
  },
  onlink: (prefix, words) => {
    prefix.on_link = words.isOn('onlink');
  },
  autonomous: (prefix, words) => {
    prefix.autonomous = words.isOn('autonomous');
  },
};

/** "N" or "MIN-MAX". */
function interval(options: AdvertiserOptions, words: ServiceWords): void {
  const text = words.value('interval');
  const parts = /^(?:(\d+)-)?(\d+)$/.exec(text);
  if (parts === null) throw misuse('radv', 'interval', `"${text}" is no number of seconds, nor MIN-MAX`);
  if (parts[1] !== undefined) options.min_interval = Number(parts[1]);
  options.max_interval = Number(parts[2]);
}

function preference(options: AdvertiserOptions, words: ServiceWords): void {
  const text = words.value('preference');
  if (text !== 'low' && text !== 'medium' && text !== 'high')
    throw misuse('radv', 'preference', `"${text}" is none of low, medium and high`);
  options.preference = text;
}

const OPTIONS: Record<string, (options: AdvertiserOptions, words: ServiceWords) => void> = {
  interval,
  preference,
  prefix: (options, words) => {
    options.prefixes = [...(options.prefixes ?? []), { prefix: words.value('prefix') }];
  },
  lifetime: (options, words) => {
    options.lifetime = words.seconds('lifetime');
  },
  mtu: (options, words) => {
    options.mtu = words.number('mtu');
  },
  hoplimit: (options, words) => {
    options.hop_limit = words.number('hoplimit');
  },
  reachable: (options, words) => {
    options.reachable_ms = words.number('reachable');
  },
  retrans: (options, words) => {
    options.retrans_ms = words.number('retrans');
  },
  managed: (options, words) => {
    options.managed = words.isOn('managed');
  },
  other: (options, words) => {
    options.other = words.isOn('other');
  },
  dns: (options, words) => {
    options.dns = [...(options.dns ?? []), words.value('dns')];
  },
  search: (options, words) => {
    options.search = [...(options.search ?? []), words.value('search')];
  },
};

function optionsOf(words: ServiceWords): AdvertiserOptions {
  const options: AdvertiserOptions = {};
  while (!words.done) {
    const word = words.take('option');
    const prefix = options.prefixes?.at(-1);
    if (Object.hasOwn(OPTIONS, word)) OPTIONS[word](options, words);
    else if (prefix !== undefined && Object.hasOwn(PREFIX, word)) PREFIX[word](prefix, words);
    else throw words.unknown(word);
  }
  return options;
}

export interface RadvCommand {
  request: Request;
  text(answer: unknown): string;
}

export function parseRadv(list: readonly string[]): RadvCommand {
  const words = new ServiceWords('radv', list);
  const verb = words.done ? 'show' : words.take('command');
  if (verb === 'show') {
    const dev = words.done ? undefined : words.take('link');
    words.end();
    return {
      request: dev === undefined ? { op: 'ra.list' } : { op: 'ra.list', dev },
      text: (answer) => (answer as AdvertiserInfo[]).map(infoText).join(''),
    };
  }
  if (verb !== 'add' && verb !== 'del') throw words.unknown(verb);
  const dev = words.take('link');
  if (verb === 'add') return { request: { op: 'ra.add', dev, options: optionsOf(words) }, text: () => '' };
  words.end();
  return { request: { op: 'ra.del', dev }, text: () => '' };
}

function prefixText({ prefix, valid, preferred, on_link: onLink, autonomous }: AdvertisedPrefix): string {
  let text = `    prefix ${prefix}`;
  if (valid !== undefined) text += ` valid ${valid === 0xffffffff ? 'forever' : valid}`;
  if (preferred !== undefined) text += ` preferred ${preferred === 0xffffffff ? 'forever' : preferred}`;
  if (onLink !== undefined) text += ` onlink ${onLink ? 'on' : 'off'}`;
  if (autonomous !== undefined) text += ` autonomous ${autonomous ? 'on' : 'off'}`;
  return `${text}\n`;
}

function infoText(info: AdvertiserInfo): string {
  const { max_interval: max = 600, min_interval: min = Math.max(3, Math.round(max / 3)) } = info;
  let text = `${info.dev}: interval ${min}-${max}`;
  if (info.lifetime !== undefined) text += ` lifetime ${info.lifetime}`;
  if (info.preference !== undefined) text += ` preference ${info.preference}`;
  if (info.mtu !== undefined) text += ` mtu ${info.mtu}`;
  if (info.hop_limit !== undefined) text += ` hoplimit ${info.hop_limit}`;
  if (info.managed === true) text += ' managed on';
  if (info.other === true) text += ' other on';
  text += [
    ...(info.dns ?? []).map((each) => ` dns ${each}`),
    ...(info.search ?? []).map((each) => ` search ${each}`),
  ].join('');
  text += `\n${(info.prefixes ?? []).map(prefixText).join('')}`;
  text += `    sent ${info.sent} solicited ${info.solicited}\n`;
  return info.problem === undefined ? text : `${text}    not advertising: ${info.problem}\n`;
}

export function run(words: readonly string[], terminal: Terminal): Promise<number> {
  return inSession(terminal, async (session) => {
    const { json: isJson, pretty, rest } = jsonFlags(words);
    const { request, text } = parseRadv(rest);
    await session.checkNamespace();
    const answer = await askAll(session, [request]);
    terminal.out(isJson && Array.isArray(answer) ? json(answer as unknown as Json, pretty) : text(answer));
    return 0;
  });
}
