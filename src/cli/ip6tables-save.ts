/* `sluice ip6tables-save`: as iptables-save.ts. */
import { iptablesSave } from './iptables-save.js';

export const { run } = iptablesSave('ip6tables-save');
