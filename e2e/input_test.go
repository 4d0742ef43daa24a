package e2e_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// What the program is asked wrongly it refuses with one line that names the thing and the way out, before it makes
// anything.
func TestBadUsage(t *testing.T) {
	keepsMachine(t)
	who := identities(t)[0]
	for _, c := range []struct {
		args string
		code int
		said []string
	}{ // the whole table is cmd/enilab's own test
		{"demi", 2, []string{`unknown command "demi"`, `did you mean "demo"?`}},
		{"demo --rnus 3", 2, []string{"unknown flag: --rnus", "did you mean --runs?", "enilab demo --help"}},
		{"compare --store /nonexistent", 2, []string{"--store /nonexistent", "no such directory", "make build"}},
		{"inspect --name none", 1, []string{`no lab "none"`}},
	} {
		t.Run(c.args, func(t *testing.T) { who.command(strings.Fields(c.args)...).do(t).wantLine(t, c.code, c.said...) })
	}
}

// Code that cannot run is refused before anything is made.
func TestBadCode(t *testing.T) {
	keepsMachine(t)
	who := identities(t)[0]
	store := t.TempDir()
	script := []byte("#!/bin/sh\n")
	for _, c := range []struct {
		name    string
		entries []entry // nil: raw
		raw     string
		said    []string
	}{
		{"empty.zip", nil, "", []string{"not a whole zip file"}},
		{"text.zip", nil, "this is no zip", []string{"not a whole zip file"}},
		{"none.zip", []entry{{"main", 0o755, script}}, "", []string{"bootstrap"}},
		{"deep.zip", []entry{{"code/bootstrap", 0o755, script}}, "", []string{"bootstrap"}},
		{"plain.zip", []entry{{"bootstrap", 0o644, script}}, "", []string{"bootstrap", "chmod +x"}},
		{"foreign.zip", []entry{{"bootstrap", 0o755, foreignBinary(t)}}, "", []string{"bootstrap", foreign().String()}},
		{"up.zip", []entry{{"bootstrap", 0o755, script}, {"../up", 0o644, script}}, "", []string{"../up"}},
		{"absolute.zip", []entry{{"bootstrap", 0o755, script}, {"/etc/up", 0o644, script}}, "", []string{"/etc/up"}},
		{"link.zip", []entry{{"bootstrap", 0o755, script}, {"link", os.ModeSymlink | 0o777, []byte("/etc/passwd")}}, "", []string{"link"}},
		{"device.zip", []entry{{"bootstrap", 0o755, script}, {"disk", os.ModeDevice | 0o600, nil}}, "", []string{"disk"}},
		{"zeros.zip", []entry{{"bootstrap", 0o755, script}, {"zeros", 0o644, zeros}}, "", []string{"bytes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(store, c.name)
			var err error
			if c.entries == nil {
				err = os.WriteFile(path, []byte(c.raw), 0o644)
			} else {
				err = writeZip(path, c.entries...)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, verb := range []string{"demo", "compare"} {
				who.command(verb, "--store", store, "--code", c.name).do(t).wantLine(t, 2, append(c.said, c.name)...)
			}
		})
	}
}

// Code that runs but is no function fails the demo, with the reason.
func TestCodeThatFails(t *testing.T) {
	keepsMachine(t)
	store := t.TempDir()
	if err := writeZip(filepath.Join(store, "exits.zip"), entry{"bootstrap", 0o755, []byte("#!/bin/sh\necho no function >&2\nexit 7\n")}); err != nil {
		t.Fatal(err)
	}
	r := identities(t)[0].command("demo", "--store", store, "--code", "exits.zip", "--environments", "1").do(t)
	r.want(t, 1, "tenant-blue", "Runtime.ExitError", "7")
	if strings.Contains(r.stdout, "Host unchanged") || strings.Contains(r.stdout, "CHANGED") {
		t.Errorf("a failed run has no say about the host unless it changed; %v", r)
	}
}

// foreign is a machine that this is not.
func foreign() elf.Machine {
	if runtime.GOARCH == "arm64" {
		return elf.EM_X86_64
	}
	return elf.EM_AARCH64
}

// foreignBinary is a whole ELF header of a foreign machine.
func foreignBinary(t *testing.T) []byte {
	t.Helper()
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(foreign()), Version: uint32(elf.EV_CURRENT), Ehsize: 64, Phentsize: 56, Shentsize: 64,
	}
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, header); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The limits of --burst and --runs are allowed themselves, as far as a test can wait for them.
func TestWholeBurst(t *testing.T) {
	keepsMachine(t)
	const burst = 50
	r := identities(t)[0].command("compare", "--runs", "1", "--burst", strconv.Itoa(burst), "--format", "json").do(t).want(t, 0)
	for _, v := range parseReport(t, r).Variants {
		v.check(t, 1, burst)
	}
}
