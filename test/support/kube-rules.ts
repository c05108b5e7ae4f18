/*
 * Rules for Kubernetes' services in the shape that kube-proxy gives them:
 *
 *   nat     PREROUTING, OUTPUT ─► KUBE-SERVICES ─ each address and port ─► KUBE-SVC-… ─ by lot ─► KUBE-SEP-… ─ DNAT
 *           KUBE-SERVICES, at its end ─► KUBE-NODEPORTS            marked 0x4000 on the way: MASQUERADE in POSTROUTING
 *   filter  services without endpoints ─ REJECT                    INVALID ─ DROP
 */
export interface Service {
  metadata: { name: string; namespace: string };
  spec: {
    clusterIP: string;
    externalIPs?: string[];
    ports: Array<{ name: string; port: number; protocol: string; nodePort?: number }>;
  };
  status?: { loadBalancer?: { ingress?: Array<{ ip: string }> } };
}

export interface EndpointSlice {
  metadata: { namespace: string; labels: Record<string, string> };
  endpoints: Array<{ addresses: string[] }>;
  ports: Array<{ name: string; port: number; protocol: string }>;
}

export interface Cluster {
  services: Service[];
  endpointSlices: EndpointSlice[];
}

const MARK = '0x4000/0x4000';

interface Published {
  title: string;
  /** Of its chains. */
  id: string;
  protocol: string;
  port: number;
  addresses: string[];
  nodePort: number | undefined;
  endpoints: string[];
}

function published({ services, endpointSlices }: Cluster): Published[] {
  return services.flatMap(({ metadata, spec, status }) =>
    spec.ports.map((port): Published => {
      const slices = endpointSlices.filter(
        (slice) =>
          slice.metadata.namespace === metadata.namespace &&
          slice.metadata.labels['kubernetes.io/service-name'] === metadata.name,
      );
      const endpoints = slices.flatMap((slice) => {
        const target = slice.ports.find(({ name }) => name === port.name);
        return target === undefined
          ? []
          : slice.endpoints.flatMap(({ addresses }) => addresses.map((address) => `${address}:${target.port}`));
      });
      const title = `${metadata.namespace}/${metadata.name}:${port.name}`;
      return {
        title,
        id: title
          .toUpperCase()
          .replace(/[^A-Z0-9]/g, '')
          .slice(-16),
        protocol: port.protocol.toLowerCase(),
        port: port.port,
        addresses: [
          spec.clusterIP,
          ...(spec.externalIPs ?? []),
          ...(status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip),
        ],
        nodePort: port.nodePort,
        endpoints,
      };
    }),
  );
}

/** The chance of one of those that are left, as kube-proxy writes it. */
const probability = (left: number): string => (1 / left).toFixed(10);

function balanced(one: Published): string[] {
  const { id, endpoints, protocol, title, addresses, port } = one;
  const jumps = endpoints.map((_, n) => {
    const left = endpoints.length - n;
    const lot = left === 1 ? '' : `-m statistic --mode random --probability ${probability(left)} `;
    return `-A KUBE-SVC-${id} -m comment --comment "${title}" ${lot}-j KUBE-SEP-${id}-${n}`;
  });
  return [
    `-A KUBE-SVC-${id} ! -s 10.0.0.0/8 -d ${addresses[0]}/32 -p ${protocol} -m comment --comment "${title} cluster IP" -m ${protocol} --dport ${port} -j KUBE-MARK-MASQ`,
    ...jumps,
    ...endpoints.flatMap((endpoint, n) => [
      `-A KUBE-SEP-${id}-${n} -s ${endpoint.split(':')[0]}/32 -m comment --comment "${title}" -j KUBE-MARK-MASQ`,
      `-A KUBE-SEP-${id}-${n} -p ${protocol} -m comment --comment "${title}" -m ${protocol} -j DNAT --to-destination ${endpoint}`,
    ]),
  ];
}

function reached({ id, addresses, protocol, port, nodePort, title }: Published): string[] {
  const [cluster, ...external] = addresses;
  const to = (address: string, chain: string): string =>
    `-A KUBE-SERVICES -d ${address}/32 -p ${protocol} -m comment --comment "${title}" -m ${protocol} --dport ${port} -j ${chain}`;
  return [
    to(cluster, `KUBE-SVC-${id}`),
    ...external.map((address) => to(address, `KUBE-EXT-${id}`)),
    ...(nodePort === undefined
      ? []
      : [`-A KUBE-NODEPORTS -p ${protocol} -m ${protocol} --dport ${nodePort} -j KUBE-EXT-${id}`]),
    `-A KUBE-EXT-${id} -m comment --comment "masquerade traffic for ${title} external destinations" -j KUBE-MARK-MASQ`,
    `-A KUBE-EXT-${id} -j KUBE-SVC-${id}`,
  ];
}

function refused({ addresses, protocol, port, nodePort, title }: Published): string[] {
  const why = `-m comment --comment "${title} has no endpoints"`;
  return [
    `-A KUBE-SERVICES -d ${addresses[0]}/32 -p ${protocol} ${why} -m ${protocol} --dport ${port} -j REJECT --reject-with icmp-port-unreachable`,
    ...addresses
      .slice(1)
      .map(
        (address) =>
          `-A KUBE-EXTERNAL-SERVICES -d ${address}/32 -p ${protocol} ${why} -m ${protocol} --dport ${port} -j REJECT`,
      ),
    ...(nodePort === undefined
      ? []
      : [
          `-A KUBE-EXTERNAL-SERVICES -p ${protocol} ${why} -m addrtype --dst-type LOCAL -m ${protocol} --dport ${nodePort} -j REJECT --reject-with icmp-port-unreachable`,
        ]),
  ];
}

export function kubeRules(cluster: Cluster): string {
  const all = published(cluster);
  const served = all.filter(({ endpoints }) => endpoints.length > 0);
  const chains = served.flatMap(({ id, endpoints }) => [
    `KUBE-SVC-${id}`,
    `KUBE-EXT-${id}`,
    ...endpoints.map((_, n) => `KUBE-SEP-${id}-${n}`),
  ]);
  return [
    '*filter',
    ...['KUBE-SERVICES', 'KUBE-EXTERNAL-SERVICES', 'KUBE-FORWARD'].map((chain) => `:${chain} - [0:0]`),
    '-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
    '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
    '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    '-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    ...all.filter(({ endpoints }) => endpoints.length === 0).flatMap(refused),
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    `-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark ${MARK} -j ACCEPT`,
    '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    'COMMIT',
    '*nat',
    ...['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING', 'KUBE-MARK-MASQ', ...chains].map(
      (chain) => `:${chain} - [0:0]`,
    ),
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
    '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
    `-A KUBE-POSTROUTING -m mark ! --mark ${MARK} -j RETURN`,
    '-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0',
    '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
    ...served.flatMap(reached),
    ...served.flatMap(balanced),
    '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
    'COMMIT',
    '',
  ].join('\n');
}
