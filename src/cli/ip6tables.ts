/* `sluice ip6tables`: as iptables.ts. */
import { iptables } from './iptables.js';

export const { run } = iptables('ip6tables');
