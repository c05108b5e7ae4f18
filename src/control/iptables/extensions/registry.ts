/*
 * All matches and targets there are.
 */
import { type Extension, Registry } from '../extension.js';
import { addrtype } from './addrtype.js';
import { bpf } from './bpf.js';
import { comment } from './comment.js';
import { connlimit } from './connlimit.js';
import { conntrack, state } from './conntrack.js';
import { ct, notrack } from './ct.js';
import { cluster, connbytes, connlabel, helper, quota } from './flow-matches.js';
import { devgroup, realm } from './groups.js';
import { hashlimit } from './hashlimit.js';
import { cgroup, nfacct, osf, owner, socket } from './host-matches.js';
import { connsecmark, idletimer, led, nfqueue, rateest, secmark, synproxy, tproxy } from './host-targets.js';
import { icmp, icmp6 } from './icmp.js';
import { iprange } from './iprange.js';
import { dst, eui64, frag, hbh, ipv6header, mh, rt } from './ipv6-matches.js';
import { limit } from './limit.js';
import { log, nflog } from './log.js';
import { connmark, connmarkTarget, mark, markTarget } from './mark.js';
import { multiport } from './multiport.js';
import { dnat, masquerade, redirect, snat } from './nat.js';
import { netmap } from './netmap.js';
import { cpu, dscp, hl, length, mac, pkttype, tos, ttl } from './packet-matches.js';
import { dnpt, hmark, snpt, tcpoptstrip } from './packet-targets.js';
import { physdev } from './physdev.js';
import { policy } from './policy.js';
import { recent } from './recent.js';
import { reject4, reject6 } from './reject.js';
import { rpfilter } from './rpfilter.js';
import { sctp } from './sctp.js';
import { set, setTarget } from './set.js';
import {
  audit,
  checksum,
  classify,
  dscpTarget,
  ecnTarget,
  hlTarget,
  tcpmss4,
  tcpmss6,
  tee,
  tosTarget,
  trace,
  ttlTarget,
} from './simple-targets.js';
import { ah, ah6, esp, ipcomp } from './spi.js';
import { srh } from './srh.js';
import { statistic } from './statistic.js';
import { string } from './string.js';
import { tcp } from './tcp.js';
import { ecn, tcpmss } from './tcp-matches.js';
import { time } from './time.js';
import { u32 } from './u32.js';
import { dccp, udp } from './udp.js';
import { ulog } from './ulog.js';

export const registry = new Registry();

function add<T>(extension: Extension<T>): void {
  registry.add(extension);
}

add(addrtype);
add(ah);
add(ah6);
add(bpf);
add(cgroup);
add(cluster);
add(comment);
add(connbytes);
add(connlabel);
add(connlimit);
add(connmark);
add(conntrack);
add(cpu);
add(dccp);
add(devgroup);
add(dscp);
add(dst);
add(ecn);
add(esp);
add(eui64);
add(frag);
add(hashlimit);
add(hbh);
add(helper);
add(hl);
add(icmp);
add(icmp6);
add(ipcomp);
add(iprange);
add(ipv6header);
add(length);
add(limit);
add(mac);
add(mark);
add(mh);
add(multiport);
add(nfacct);
add(osf);
add(owner);
add(physdev);
add(pkttype);
add(policy);
add(quota);
add(realm);
add(recent);
add(rpfilter);
add(rt);
add(sctp);
add(set);
add(socket);
add(srh);
add(state);
add(statistic);
add(string);
add(tcp);
add(tcpmss);
add(time);
add(tos);
add(ttl);
add(u32);
add(udp);

add(audit);
add(checksum);
add(classify);
add(connmarkTarget);
add(connsecmark);
add(ct);
add(dnat);
add(dnpt);
add(dscpTarget);
add(ecnTarget);
add(hlTarget);
add(hmark);
add(idletimer);
add(led);
add(log);
add(markTarget);
add(masquerade);
add(netmap);
add(nflog);
add(nfqueue);
add(notrack);
add(rateest);
add(redirect);
add(reject4);
add(reject6);
add(secmark);
add(setTarget);
add(snat);
add(snpt);
add(synproxy);
add(tcpmss4);
add(tcpmss6);
add(tcpoptstrip);
add(tee);
add(tosTarget);
add(tproxy);
add(trace);
add(ttlTarget);
add(ulog);
