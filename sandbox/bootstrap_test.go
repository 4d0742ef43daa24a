package sandbox

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestBadBootstraps(t *testing.T) {
	boot := func(body string) []byte { return zipOf(t, zipEntry{name: "bootstrap", mode: 0o755, body: body}) }
	machine := uint16(elf.EM_AARCH64)
	if runtime.GOARCH == "arm64" {
		machine = uint16(elf.EM_X86_64)
	}

	tests := map[string]struct {
		data   []byte
		reason string
	}{
		"no bootstrap":           {data: zipOf(t, zipEntry{name: "main", mode: 0o755, body: script}), reason: "is missing"},
		"bootstrap deeper":       {data: zipOf(t, zipEntry{name: "fn/bootstrap", mode: 0o755, body: script}), reason: `there is one in "fn"`},
		"bootstrap directory":    {data: zipOf(t, zipEntry{name: "main"}, zipEntry{name: "bootstrap/", mode: fs.ModeDir | 0o755}), reason: "is a directory"},
		"bootstrap implied dir":  {data: zipOf(t, zipEntry{name: "bootstrap/x", body: "x"}), reason: "is a directory"},
		"bootstrap 0644":         {data: zipOf(t, zipEntry{name: "bootstrap", body: script}), reason: "is not executable"},
		"bootstrap from Windows": {data: zipOf(t, zipEntry{name: "bootstrap", body: script, forge: func(h *zip.FileHeader) { h.CreatorVersion, h.ExternalAttrs = 20, 0x20 }}), reason: "without Unix modes"},
		"bootstrap empty":        {data: boot(""), reason: "is empty"},
		"bootstrap text":         {data: boot("echo hello\n"), reason: "neither a Linux program"},
		"bootstrap Mach-O":       {data: boot("\xcf\xfa\xed\xfe" + strings.Repeat("\x00", 100)), reason: "neither a Linux program"},
		"ELF cut":                {data: boot(elfHead(nil)[:40]), reason: "damaged ELF"},
		"ELF 32 bit":             {data: boot(elfHead(func(h []byte) { h[elf.EI_CLASS] = byte(elf.ELFCLASS32) })), reason: "32-bit"},
		"ELF no class":           {data: boot(elfHead(func(h []byte) { h[elf.EI_CLASS] = 7 })), reason: "damaged ELF"},
		"ELF object file":        {data: boot(elfHead(func(h []byte) { h[16] = byte(elf.ET_REL) })), reason: "not a program"},
		"ELF other machine":      {data: boot(elfHead(func(h []byte) { binary.LittleEndian.PutUint16(h[18:], machine) })), reason: "not for this machine's " + runtime.GOARCH},
		"ELF other byte order": {data: boot(elfHead(func(h []byte) {
			h[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
			h[16], h[17] = h[17], h[16]
			h[18], h[19] = h[19], h[18]
		})), reason: "not for this machine's"},
		"script CRLF":           {data: boot("#!/bin/bash\r\nexit\r\n"), reason: "Windows line ends"},
		"script relative":       {data: boot("#!bash\n"), reason: `that can be run: "bash"`},
		"script no interpreter": {data: boot("#! \n"), reason: "names no interpreter"},
		"script control byte":   {data: boot("#!/bin/\x01sh\n"), reason: "names no interpreter"},
		"script long line":      {data: boot("#!/" + strings.Repeat("x", 300) + "\n"), reason: "more than 256 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, size := bytes.NewReader(test.data), int64(len(test.data))
			if err := CheckArchive(r, size, ArchiveLimits{}); err != nil {
				t.Errorf("as an archive it is good, and not: %v", err)
			}
			bad, ok := errors.AsType[*ArchiveError](CheckBootstrap(r, size, ArchiveLimits{}))
			if !ok || bad.Object != "bootstrap" || !strings.Contains(bad.Reason, test.reason) {
				t.Fatalf("%v\n want %q", bad, test.reason)
			}
			checkArchiveError(t, bad)
		})
	}
}

func TestGoodBootstrap(t *testing.T) {
	data := zipOf(t, good, zipEntry{name: "lib/bootstrap", body: "x"})
	if err := CheckBootstrap(bytes.NewReader(data), int64(len(data)), ArchiveLimits{}); err != nil {
		t.Error(err)
	}
	damaged := data[:len(data)-30]
	if err := CheckBootstrap(bytes.NewReader(damaged), int64(len(damaged)), ArchiveLimits{}); err == nil {
		t.Error("half a zip is good")
	}
}

func TestScriptsThatCanRun(t *testing.T) {
	for _, head := range []string{"#!/bin/sh", "#!/bin/sh\n", "#! \t/usr/bin/env  python3 -u\t\nprint()", "#!/usr/bin/perl -w\n\r"} {
		if reason, _ := badProgram([]byte(head), "amd64"); reason != "" {
			t.Errorf("%q: %s", head, reason)
		}
	}
}

// The test binary itself is a real program of this machine.
func TestRealProgramIsAccepted(t *testing.T) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, maxScript)
	if _, err := io.ReadFull(f, head); err != nil {
		t.Fatal(err)
	}
	if reason, _ := badProgram(head, runtime.GOARCH); reason != "" {
		t.Error(reason)
	}
}
