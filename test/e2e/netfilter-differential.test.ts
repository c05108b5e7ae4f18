/* What rules match and what their targets do, beside the kernel’s netfilter. */
import { besideTheKernel } from './netfilter-cases/beside-the-kernel.js';
import { MATCHES } from './netfilter-cases/matches.js';
import { TARGETS } from './netfilter-cases/targets.js';

besideTheKernel('rules, beside the kernel’s netfilter', [...MATCHES, ...TARGETS]);
