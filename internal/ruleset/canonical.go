package ruleset

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The kernel's rules come back in other words than they were written in: iptables names the match that a protocol
// implies, spells --syn out, masks addresses, leaves out what matches everything, and prints names for numbers. What is
// equal here does the same; the order of a rule's conditions does not matter.

// word is one of a rule's words. What was quoted is never a flag.
type word struct {
	text   string
	quoted bool
}

// split cuts a line into words as iptables-restore does: at spaces, but not within double quotes, where a backslash
// takes the next character as it is.
func split(line string) (words []word, err error) {
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return words, nil
		}
		w := word{quoted: line[0] == '"'}
		if !w.quoted {
			end := strings.IndexAny(line+" ", " \t")
			w.text, line = line[:end], line[end:]
			words = append(words, w)
			continue
		}
		var b strings.Builder
		i := 1
		for ; i < len(line) && line[i] != '"'; i++ {
			if line[i] == '\\' && i+1 < len(line) {
				i++
			}
			b.WriteByte(line[i])
		}
		if i >= len(line) {
			return nil, errors.New("a quote is not closed")
		}
		w.text, line = b.String(), line[i+1:]
		words = append(words, w)
	}
}

// join is the way back.
func join(words []word) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = w.text
		if w.quoted || w.text == "" {
			texts[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w.text) + `"`
		}
	}
	return strings.Join(texts, " ")
}

// option is a flag with its values. One that is negated begins with "! ".
type option struct {
	flag   string
	values []string
}

func (w word) isFlag() bool { return !w.quoted && len(w.text) > 1 && w.text[0] == '-' }

// keyOf is equal for rules that do the same.
func keyOf(words []word) string {
	var options []option
	not := ""
	for _, w := range words {
		switch {
		case !w.quoted && w.text == "!":
			not = "! "
		case w.isFlag():
			options = append(options, option{flag: not + w.text})
			not = ""
		case len(options) > 0:
			last := &options[len(options)-1]
			last.values = append(last.values, w.text)
		}
	}
	protocol := ""
	for i := range options {
		if p := &options[i]; (p.flag == "-p" || p.flag == "--protocol") && len(p.values) == 1 {
			p.flag, p.values[0] = "-p", protocolOf(p.values[0])
			protocol = p.values[0]
		}
	}
	var texts []string
	for _, o := range options {
		if o = o.canonical(protocol); o.flag != "" {
			texts = append(texts, fmt.Sprintf("%s %q", o.flag, o.values))
		}
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), " ")
}

// canonical is the one way to write an option of a rule of this protocol; without a flag if it says nothing.
func (o option) canonical(protocol string) option {
	none := option{}
	if len(o.values) == 0 {
		if o.flag == "--syn" {
			return option{"--tcp-flags", []string{"FIN,SYN,RST,ACK", "SYN"}}
		}
		return o
	}
	v := o.values[0]
	switch o.flag {
	case "-p":
		if v == "0" || v == "all" {
			return none
		}
	case "-m":
		if protocolOf(v) == protocol { // the protocol implies it
			return none
		}
	case "-s", "-d":
		if p, err := prefix(v); err == nil {
			if p.Bits() == 0 {
				return none
			}
			v = p.String()
		}
	case "--dport", "--sport":
		from, to, isRange := strings.Cut(v, ":")
		if !isRange {
			to = from
		}
		if from == "" {
			from = "0"
		}
		if to == "" {
			to = "65535"
		}
		if from == "0" && to == "65535" {
			return none
		}
		v = from + ":" + to
	case "--icmp-type":
		if v == "any" || v == "255" {
			return none
		}
	case "--to-source":
		address, ports, _ := strings.Cut(v, ":")
		if first, last, isRange := strings.Cut(ports, "-"); isRange && first == last {
			v = address + ":" + first
		}
	case "--ctstate", "--state":
		states := strings.Split(v, ",")
		slices.Sort(states)
		v = strings.Join(states, ",")
	case "--src-group", "--dst-group", "! --src-group", "! --dst-group":
		if n, err := strconv.ParseUint(v, 0, 32); err == nil {
			v = fmt.Sprintf("%#x", n)
		}
	default:
		return o
	}
	return option{o.flag, append([]string{v}, o.values[1:]...)}
}

// prefix reads an address with or without its bits.
func prefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}
