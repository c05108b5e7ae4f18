/* A text for iptables-restore with a few characters or words wrong; the same for the same seed. */
import { randomFrom } from './commands.js';

const TEXT = `# hello
*filter
:INPUT ACCEPT [12:34]
:FORWARD DROP [0:0]
:foo - [0:0]
[1:2] -A INPUT -s 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 80 -m comment --comment "a b" -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j foo
-A foo ! -d 192.168.0.0/255.255.0.0 -o br+ -p udp -m udp --sport 1024:65535 -j LOG --log-prefix "x: "
-I foo 1 -p icmp -m icmp --icmp-type 8 -m limit --limit 5/sec -j RETURN
-D foo 1
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80
-A POSTROUTING -s 10.0.0.0/24 ! -o docker0 -j MASQUERADE
COMMIT
`;
const CHARACTERS = ' "\\!-:[],./*#0129afzAZ\n\t+%x';

export function spoiledText(seed: number): string {
  const random = randomFrom(seed);
  let text = TEXT;
  for (let left = 1 + random(3); left > 0; left--) text = spoil(text, random);
  return text;
}

function spoil(text: string, random: (below: number) => number): string {
  const at = random(text.length);
  const character = CHARACTERS[random(CHARACTERS.length)];
  switch (random(4)) {
    case 0:
      return text.slice(0, at) + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + character + text.slice(at);
    case 2:
      return text.slice(0, at) + character + text.slice(at + 1);
    default: {
      const words = text.split(/(?<=\s)/);
      words.splice(random(words.length), 1);
      return words.join('');
    }
  }
}
