package hoststate

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// tables reads packet filters and address translation, without counters. nft shows what iptables set through nftables,
// too, and the legacy tables are read if there are any. Where nft is missing, iptables-save is the source.
func tables(ctx context.Context, s *State) error {
	if os.Geteuid() != 0 {
		s.note("tables of nftables and iptables were not compared: that needs root")
		return nil
	}
	var commands [][]string
	if _, err := exec.LookPath("nft"); err == nil {
		commands = append(commands, []string{"nft", "--stateless", "list", "ruleset"})
		for _, legacy := range []struct{ names, save string }{
			{"/proc/thread-self/net/ip_tables_names", "iptables-legacy-save"},
			{"/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy-save"},
		} {
			if names, _ := os.ReadFile(legacy.names); len(names) > 0 {
				commands = append(commands, []string{legacy.save})
			}
		}
	} else if _, err := exec.LookPath("iptables-save"); err == nil {
		commands = [][]string{{"iptables-save"}, {"ip6tables-save"}}
	} else {
		s.note("tables of nftables and iptables were not compared: neither nft nor iptables-save is installed")
		return nil
	}
	found := map[string]string{}
	for _, argv := range commands {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		text, err := cmd.Output()
		if err != nil {
			first, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
			s.note("tables of nftables and iptables were not compared: %s: %v: %s", argv[0], err, first)
			return ctx.Err()
		}
		if argv[0] == "nft" {
			nftTables(string(text), found)
		} else {
			iptablesTables(argv[0], string(text), found)
		}
	}
	s.saw(Table)
	for name, rules := range found {
		s.add(Table, name, rules)
	}
	return nil
}

// nftTables takes `nft list ruleset` apart: a table is from "table inet filter {" to a "}" at the start of a line.
func nftTables(text string, into map[string]string) {
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		switch rest, isTable := strings.CutPrefix(line, "table "); {
		case isTable:
			name = strings.TrimSuffix(rest, " {")
			into[name] = ""
		case line == "}" || line == "" || strings.HasPrefix(line, "#"):
		case name != "":
			into[name] += strings.TrimSpace(line) + "\n"
		}
	}
}

var chainCounters = regexp.MustCompile(` \[\d+:\d+\]$`)

// iptablesTables takes the output of an iptables-save apart: a table is from "*filter" to "COMMIT".
func iptablesTables(command, text string, into map[string]string) {
	family := strings.TrimSuffix(command, "-save") + " "
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch rest, isTable := strings.CutPrefix(line, "*"); {
		case isTable:
			name = family + rest
			into[name] = ""
		case line == "COMMIT" || line == "" || strings.HasPrefix(line, "#"):
		case name != "":
			into[name] += chainCounters.ReplaceAllString(line, "") + "\n"
		}
	}
}
