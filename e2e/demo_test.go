package e2e_test

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// small is a demo that shows everything, quickly.
var small = []string{"demo", "--environments", "1", "--runs", "1", "--burst", "1"}

func TestDemo(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		r := who.command("demo", "--environments", "3", "--runs", "2", "--burst", "4").do(t).want(t, 0)
		if r.stderr != "" {
			t.Errorf("stderr: %s", r.stderr)
		}
		story := parseStory(t, r.stdout)

		if len(story.legacy) != 6 || len(story.shared) != 6 {
			t.Fatalf("%d environments in legacy and %d in shared mode, want 3 of each tenant in each; %v", len(story.legacy), len(story.shared), r)
		}
		for tenant, envs := range byTenant(story.legacy) {
			if enis, addresses := used(envs); len(envs) != 3 || enis != 3 || addresses != 3 {
				t.Errorf("%s, legacy: %d environments, %d ENIs, %d addresses; want 3 of each", tenant, len(envs), enis, addresses)
			}
		}
		for tenant, envs := range byTenant(story.shared) {
			if enis, addresses := used(envs); len(envs) != 3 || enis != 1 || addresses != 1 {
				t.Errorf("%s, shared: %d environments, %d ENIs, %d addresses; want 3, 1, 1", tenant, len(envs), enis, addresses)
			}
		}
		shared := map[string]netip.Addr{} // ENI → address
		seen := map[netip.AddrPort]bool{} // by whoami
		for _, e := range append(story.legacy, story.shared...) {
			if e.says != e.tenant {
				t.Errorf("the Redis of %s says %q", e.tenant, e.says)
			}
			if e.seen.Addr() != e.address {
				t.Errorf("whoami saw %s of an environment whose interface has %s", e.seen, e.address)
			}
			if !netip.MustParsePrefix("10.0.1.0/24").Contains(e.address) {
				t.Errorf("%s is not of the functions' subnet", e.address)
			}
		}
		for _, e := range story.shared {
			shared[e.eni], seen[e.seen] = e.address, true
		}

		inLambdaVPC, found := netip.MustParsePrefix("100.64.0.0/10"), 0
		for _, f := range story.flows {
			if !inLambdaVPC.Contains(f.own.Addr()) {
				t.Errorf("flow %v: the function's own address is not of the Lambda VPC", f)
			}
			if shared[f.of] != f.eni.Addr() {
				t.Errorf("flow %v: translated to %s, want the ENI's address %s", f, f.eni.Addr(), shared[f.of])
			}
			if to := f.target.String(); to != "10.0.2.10:6379" && to != "10.0.2.20:80" {
				t.Errorf("flow %v: leads to neither Redis nor whoami", f)
			}
			if seen[f.eni] {
				found++
			}
		}
		if found < len(story.shared) {
			t.Errorf("%d of the %d ports that whoami saw are in the flow table; %v", found, len(story.shared), r)
		}

		for row, want := range map[string][]string{
			"ENIs in the subnet meanwhile": {"4", "4", "1"}, "its addresses used": {"4", "4", "1"}, "failures": {"0", "0", "0"},
		} {
			if got := story.table[row]; strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("comparison: %s: %v, want %v", row, got, want)
			}
		}
		for _, row := range []string{"attach", "spawn", "init", "invoke", "warm"} {
			if cells := story.table[row]; len(cells) != 6 { // three figures, each with its unit
				t.Errorf("comparison: row %q has %v, want a figure for each variant", row, cells)
			}
		}
		if n := strings.Count(r.stdout, "Host unchanged. Compared before and after: "); n != 1 {
			t.Errorf("it says %d times that the host is unchanged; %v", n, r)
		}
		if says := strings.Contains(r.stdout, "without limits"); says != who.noGroups {
			t.Errorf("says that there are no limits: %t, want %t", says, who.noGroups)
		}
		if says := strings.Contains(r.stdout, "Not compared: "); says != (who.rootless && !who.contained) {
			t.Errorf("says what was not compared: %t, want %t", says, !says)
		}
	})
}

// story is what the demo told, as facts.
type story struct {
	legacy, shared []environment
	flows          []flow
	table          map[string][]string // the comparison's rows: label → fields
}

type environment struct {
	tenant, eni string
	address     netip.Addr
	seen        netip.AddrPort // by whoami
	says        string         // Redis
}

type flow struct {
	of               string // ENI
	own, eni, target netip.AddrPort
}

var (
	environmentLine = regexp.MustCompile(`^ +tenant-(\w+)/\d+ +(eni-[0-9a-f]{17}) +(\S+) +(\S+) +(\w+) +[\d.]+ (?:µs|ms|s) +[\d.]+ (?:ms|s)$`)
	eniLine         = regexp.MustCompile(`^ +(eni-[0-9a-f]{17}) in vpc-\w+: \d+ of 65000 connections`)
	flowLine        = regexp.MustCompile(`^ +(100\.\S+) +→ +(\S+) +→ +(\S+) +\w+ *$`)
	tableLine       = regexp.MustCompile(`^ +(\S.*?)  +(\d.*)$`)
)

func parseStory(t *testing.T, text string) (s story) {
	t.Helper()
	s.table = map[string][]string{}
	address := func(text string) netip.AddrPort {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			t.Errorf("the demo shows %q: %v", text, err)
		}
		return a
	}
	chapter, eni := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && line[0] != ' ' {
			chapter, _, _ = strings.Cut(strings.Fields(line)[0], ",")
		}
		if m := environmentLine.FindStringSubmatch(line); m != nil {
			at, err := netip.ParseAddr(m[3])
			if err != nil {
				t.Errorf("the demo shows %q: %v", m[3], err)
			}
			e := environment{m[1], m[2], at, address(m[4]), m[5]}
			switch chapter {
			case "Legacy":
				s.legacy = append(s.legacy, e)
			case "Shared":
				s.shared = append(s.shared, e)
			default:
				t.Errorf("an environment in chapter %q: %s", chapter, line)
			}
		} else if m := eniLine.FindStringSubmatch(line); m != nil {
			eni = m[1]
		} else if m := flowLine.FindStringSubmatch(line); m != nil {
			s.flows = append(s.flows, flow{eni, address(m[1]), address(m[2]), address(m[3])})
		} else if m := tableLine.FindStringSubmatch(line); m != nil && chapter == "Side" {
			s.table[m[1]] = strings.Fields(m[2])
		}
	}
	return s
}

func byTenant(envs []environment) map[string][]environment {
	of := map[string][]environment{"blue": nil, "green": nil}
	for _, e := range envs {
		of[e.tenant] = append(of[e.tenant], e)
	}
	return of
}

func used(envs []environment) (enis, addresses int) {
	byENI, byAddress := map[string]bool{}, map[netip.Addr]bool{}
	for _, e := range envs {
		byENI[e.eni], byAddress[e.address] = true, true
	}
	return len(byENI), len(byAddress)
}

// A pause ends at a line, and at the end of the input.
func TestDemoPauses(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		keepsMachine(t, who)
		const chapters = 5
		args := append(slices.Clip(small), "--pause")
		for name, input := range map[string]string{
			"at its end": "", "without an end of line": strings.Repeat("x", 1<<16),
		} {
			t.Run("input "+name, func(t *testing.T) {
				r := who.command(args...)
				r.Stdin = strings.NewReader(input)
				out := r.do(t).want(t, 0).stdout
				if n := strings.Count(out, "press Enter"); n != chapters {
					t.Errorf("%d pauses, want %d:\n%s", n, chapters, out)
				}
			})
		}
		t.Run("one by one", func(t *testing.T) {
			r := who.command(args...)
			enter, err := r.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			r.start(t)
			for n := 1; n <= chapters; n++ {
				r.until(t, "pause "+strconv.Itoa(n), func() bool { return strings.Count(r.out.String(), "NAME is one of") == n })
				if _, err := enter.Write([]byte("\n")); err != nil {
					t.Fatal(err)
				}
			}
			r.result(t).want(t, 0)
		})
	})
}

// What the pause tells people to type works.
func TestDemoLetsPeopleLookInside(t *testing.T) {
	asEach(t, func(t *testing.T, who identity) {
		if who.contained {
			t.Skip("the advice is for a terminal outside of the user namespace that this test is in")
		}
		keepsMachine(t, who)
		r := who.command(append(slices.Clip(small), "--pause")...)
		enter, err := r.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		r.start(t)
		r.untilSaid(t, "NAME is one of")
		_, advice, _ := strings.Cut(r.out.String(), "press Enter to go on:\n")
		advice, names, _ := strings.Cut(advice, "NAME is one of ")
		advice = strings.TrimPrefix(strings.TrimSpace(advice), "sudo ")
		if !strings.Contains(names, "vpc-blue") || !strings.Contains(advice, " NAME ") {
			t.Fatalf("the advice is not as this test knows it: %q, %q", advice, names)
		}
		inside := who.other("sh", "-c", strings.Replace(advice, "NAME", "vpc-blue", 1)).do(t).want(t, 0)
		if !strings.Contains(inside.stdout, "10.0.1.1/") {
			t.Errorf("the VPC's gateway address is not to be seen: %v", inside)
		}
		enter.Close()
		r.result(t).want(t, 0)
	})
}
