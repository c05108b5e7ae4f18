/* `sluice ip6tables-restore`: as iptables-restore.ts. */
import { iptablesRestore } from './iptables-restore.js';

export const { run } = iptablesRestore('ip6tables-restore');
