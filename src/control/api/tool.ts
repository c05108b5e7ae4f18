/* Tools whose words the daemon itself reads: iptables and ipset. */

/** iptables, ip6tables and their -save and -restore: words as the real tools take them, and of -restore what it reads. */
export interface RunIptables {
  op: 'iptables.run';
  tool: string;
  words: string[];
  text?: string;
}

/** ipset: words as the real tool takes them, and of restore what it reads. */
export interface RunIpset {
  op: 'ipset.run';
  words: string[];
  text?: string;
}

/** What a tool prints, and its exit status. */
export interface ToolOutcome {
  stdout: string;
  stderr: string;
  status: number;
  /** A file that the words name, to be written with stdout, or whose text is wanted. */
  file?: string;
}
