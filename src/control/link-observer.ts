/*
 * What the IP stack's part of the control plane is told of namespaces and links, at the moment it happens. Each answer is the
 * engine calls it appends: they travel in the transaction of the change itself, so that no frame meets a half of it.
 */
import type { Call } from './engine-thread.js';
import type { Link } from './link.js';
import type { Namespace } from './namespaces.js';

/** What of a link is no more as it was; the link itself is as it is now. */
export interface LinkChange {
  up?: boolean;
  carrier?: boolean;
  mtu?: boolean;
  address?: boolean;
  name?: boolean;
  master?: boolean;
}

/** A sysctl that is not only the datapath's; of `conf.all` and the like the links that it changes are told one by one, too. */
export interface SettingChange {
  family: 4 | 6;
  /** Its name: forwarding, disable_ipv6, accept_ra … */
  name: string;
  /** Absent: of the namespace, `all` or `default`. */
  link?: Link;
  from: number;
  to: number;
}

export interface LinkObserver {
  /** It has its `lo`, of which linkAdded tells next. */
  namespaceAdded(namespace: Namespace, calls: Call[]): void;
  /** Its links are gone. */
  namespaceRemoved(namespace: Namespace, calls: Call[]): void;
  linkAdded(link: Link, calls: Call[]): void;
  linkRemoved(link: Link, calls: Call[]): void;
  linkChanged(link: Link, what: LinkChange, calls: Call[]): void;
  /** It is down, and in its new namespace already. */
  linkMoved(link: Link, from: Namespace, calls: Call[]): void;
  settingChanged(namespace: Namespace, change: SettingChange, calls: Call[]): void;
}
