package ruleset

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

// protocolOf is the number of a protocol that iptables prints by its name, in digits. What is no name stays.
func protocolOf(name string) string {
	name = strings.ToLower(name)
	if _, err := strconv.Atoi(name); err == nil {
		return name
	}
	if n, ok := builtin[name]; ok {
		return strconv.Itoa(n)
	}
	if n, ok := database()[name]; ok {
		return n
	}
	return name
}

// builtin are the names that iptables knows by itself (xtables_chain_protos of libxtables).
var builtin = map[string]int{
	"all": 0, "icmp": 1, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "icmp6": 58, "sctp": 132, "mh": 135, "ipv6-mh": 135, "udplite": 136,
}

// database is the machine's names of protocols (protocols(5)), which iptables prints first.
var database = sync.OnceValue(func() map[string]string {
	text, _ := os.ReadFile("/etc/protocols") // without it iptables prints numbers
	return parseProtocols(string(text))
})

func parseProtocols(text string) map[string]string {
	names := map[string]string{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line) // official name, number, aliases
		if len(f) < 2 {
			continue
		}
		for i, name := range f {
			if i != 1 {
				names[strings.ToLower(name)] = f[1]
			}
		}
	}
	return names
}
