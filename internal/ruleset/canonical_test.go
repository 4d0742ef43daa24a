package ruleset

import (
	"slices"
	"testing"
)

// TestSameRule: what iptables prints of a rule is the same rule, and what differs is another.
func TestSameRule(t *testing.T) {
	for written, printed := range map[string][]string{
		"-p tcp --dport 80 -j ACCEPT":             {"-p tcp -m tcp --dport 80 -j ACCEPT", "-p 6 --dport 80:80 -j ACCEPT"},
		"-p tcp --syn -j new":                     {"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j new"},
		"-p udp --dport 0:65535 -j x":             {"-p udp -m udp -j x", "-p udp -j x"},
		"-p tcp --dport 0:1023 -j x":              {"-p tcp -m tcp --dport :1023 -j x"},
		"-p 47 -j ACCEPT":                         {"-p gre -j ACCEPT"},
		"-p 1 -j ACCEPT":                          {"-p icmp -j ACCEPT"},
		"-p 58 -j ACCEPT":                         {"-p ipv6-icmp -j ACCEPT"},
		"-p icmp --icmp-type 8 -j x":              {"-p icmp -m icmp --icmp-type 8 -j x"},
		"-p icmp --icmp-type 3/1 -j x":            {"-p icmp -m icmp --icmp-type 3/1 -j x"},
		"-p icmp -j x":                            {"-p icmp -m icmp --icmp-type any -j x"},
		"-s 10.0.0.5 -j x":                        {"-s 10.0.0.5/32 -j x"},
		"-s 10.0.2.7/24 -j x":                     {"-s 10.0.2.0/24 -j x"},
		"-s 0.0.0.0/0 -p all -j x":                {"-j x"},
		"-m comment --comment sg-a,sg-b -g out":   {`-m comment --comment "sg-a,sg-b" -g out`},
		"-m devgroup --src-group 16 -j x":         {"-m devgroup --src-group 0x10 -j x"},
		"-m conntrack --ctstate NEW,RELATED -j x": {"-m conntrack --ctstate RELATED,NEW -j x"},
		"-j SNAT --to-source 10.0.0.1:5-5":        {"-j SNAT --to-source 10.0.0.1:5"},
		"-o eth0 -p tcp -s 10.0.0.0/8 -j x":       {"-s 10.0.0.0/8 -o eth0 -p tcp -j x"},
	} {
		for _, p := range printed {
			if !rule(t, written).Same(rule(t, p)) {
				t.Errorf("%q is not %q: %q, %q", p, written, rule(t, p).key, rule(t, written).key)
			}
		}
	}
	for _, pair := range [][2]string{
		{"-j ACCEPT", "-j DROP"},
		{"-j new", "-g new"},
		{"-p tcp -j x", "-p udp -j x"},
		{"-p tcp -j x", "-j x"},
		{"-p tcp --dport 80 -j x", "-p tcp --sport 80 -j x"},
		{"-p tcp --dport 80 -j x", "-p tcp --dport 81 -j x"},
		{"-s 10.0.0.0/8 -j x", "-d 10.0.0.0/8 -j x"},
		{"-s 10.0.0.0/8 -j x", "-s 10.0.0.0/9 -j x"},
		{"-s 10.0.0.0/8 -j x", "! -s 10.0.0.0/8 -j x"},
		{"-m comment --comment a -j x", "-m comment --comment b -j x"},
		{"-m socket -j x", "-j x"},
		{`-m comment --comment "-j DROP" -j x`, "-m comment --comment a -j DROP"},
		{"-m devgroup --src-group 0x10 -j x", "-m devgroup --dst-group 0x10 -j x"},
		{"-p icmp --icmp-type 8 -j x", "-p icmp --icmp-type 0 -j x"},
		{"-j SNAT --to-source 10.0.0.1:5-6", "-j SNAT --to-source 10.0.0.1:5"},
	} {
		if rule(t, pair[0]).Same(rule(t, pair[1])) {
			t.Errorf("%q and %q are taken for the same", pair[0], pair[1])
		}
	}
	if _, err := NewRule(`-m comment --comment "a`); err == nil {
		t.Error("a quote that is not closed passes")
	}
}

func rule(t *testing.T, text string) Rule {
	t.Helper()
	r, err := NewRule(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestProtocolNames(t *testing.T) {
	got := parseProtocols("# comment\nip\t0\tIP\t\t# internet\nospf 89 OSPFIGP # x\n\nbroken\n")
	if got["ospfigp"] != "89" || got["ip"] != "0" || len(got) != 3 {
		t.Errorf("read %v", got)
	}
	for name, want := range map[string]string{"tcp": "6", "17": "17", "UDP": "17", "icmpv6": "58", "comment": "comment"} {
		if got := protocolOf(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// FuzzWords: what is printed and read again has the same words.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"-A x -j y", `-m comment --comment "a \"b\" \\ c" -j x`, `""`, "a\tb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := split(line)
		if err != nil {
			return
		}
		again, err := split(join(words))
		if err != nil || len(again) != len(words) {
			t.Fatalf("%q is read as %v, printed as %q and read as %v: %v", line, words, join(words), again, err)
		}
		if !slices.EqualFunc(words, again, func(a, b word) bool { return a.text == b.text && a.isFlag() == b.isFlag() }) {
			t.Fatalf("%q is read as %v and then as %v", line, words, again)
		}
	})
}
