/* NAT and conntrack, and the rules of programs that use them, beside the kernel’s netfilter. */
import { besideTheKernel } from './netfilter-cases/beside-the-kernel.js';
import { NAT } from './netfilter-cases/nat.js';
import { PROGRAMS } from './netfilter-cases/programs.js';

besideTheKernel('NAT, beside the kernel’s netfilter', [...NAT, ...PROGRAMS]);
