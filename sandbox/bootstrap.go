package sandbox

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// maxScript is in how many bytes the kernel looks for a script's interpreter (BINPRM_BUF_SIZE, linux/binfmts.h).
const maxScript = 256

// CheckBootstrap reports whether code has what an OS-only runtime executes: a file named bootstrap at its top that this
// machine can run. It reads no other file. Errors are as those of [CheckArchive].
func CheckBootstrap(r io.ReaderAt, size int64, lim ArchiveLimits) error {
	a, err := openArchive(context.Background(), r, size, lim)
	if err != nil {
		return err
	}
	return a.checkBootstrap()
}

// checkBootstrap looks for the one file that must be there, and at its first bytes.
func (a *archive) checkBootstrap() error {
	const name = "bootstrap"
	bad := func(reason, fix string) error { return &ArchiveError{name, reason, fix} }
	i := slices.IndexFunc(a.files, func(e archiveEntry) bool { return e.path == name })
	if i < 0 {
		if a.kinds[name] != noPath {
			return bad("is a directory", "put an executable file named bootstrap at the top of the zip")
		}
		for _, e := range a.files {
			if strings.HasSuffix(e.path, "/"+name) {
				dir := parentPath(e.path)
				return bad(fmt.Sprintf("is missing at the top, but there is one in %q", dir), "zip from inside that directory")
			}
		}
		return bad("is missing", "put an executable file named bootstrap at the top of the zip")
	}
	e := a.files[i]
	if e.mode&0o111 == 0 {
		const unix, macOS = 3, 19 // hosts whose attributes hold modes (APPNOTE.TXT 4.4.2)
		if host := e.CreatorVersion >> 8; host != unix && host != macOS {
			return bad("is not executable: the zip was made without Unix modes, as on Windows",
				"zip on Linux, macOS or WSL, and chmod +x bootstrap before zipping")
		}
		return bad("is not executable", "chmod +x bootstrap before zipping")
	}
	data, err := a.open(e)
	if err != nil {
		return err
	}
	defer data.Close()
	head := make([]byte, maxScript)
	n, err := io.ReadFull(data, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if reason, fix := badProgram(head[:n], runtime.GOARCH); reason != "" {
		return bad(reason, fix)
	}
	return nil
}

// badProgram says why a file with this head cannot be executed on arch, and the way out. Whether an interpreter is
// there, only the environment that runs it knows.
func badProgram(head []byte, arch string) (reason, fix string) {
	fix = fmt.Sprintf("for Go: GOOS=linux GOARCH=%s go build -o bootstrap; for a script: start it with #!/bin/sh", arch)
	switch {
	case len(head) == 0:
		return "is empty", fix
	case bytes.HasPrefix(head, []byte("#!")):
		return badInterpreter(head[2:])
	case !bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return "is neither a Linux program (ELF) nor a script that starts with #!", fix
	case len(head) < 64 || head[elf.EI_VERSION] != byte(elf.EV_CURRENT):
		return "has a damaged ELF header", fix
	case elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS32:
		return "is a 32-bit program", fix
	case elf.Class(head[elf.EI_CLASS]) != elf.ELFCLASS64:
		return "has a damaged ELF header", fix
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	if t := elf.Type(order.Uint16(head[16:])); t != elf.ET_EXEC && t != elf.ET_DYN {
		return fmt.Sprintf("is an ELF file but not a program (%v)", t), fix
	}
	fits := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "riscv64": elf.EM_RISCV}
	m := elf.Machine(order.Uint16(head[18:]))
	if want, known := fits[arch]; known && (m != want || order != binary.LittleEndian) {
		return fmt.Sprintf("is a program for %v, not for this machine's %s", m, arch), fix
	}
	return "", ""
}

// badInterpreter looks at the first line of a script, after the #!.
func badInterpreter(head []byte) (reason, fix string) {
	fix = "let its first line be #!/bin/sh or the absolute path of another interpreter"
	line, _, whole := bytes.Cut(head, []byte("\n"))
	if !whole && len(head) == maxScript-len("#!") {
		return fmt.Sprintf("has an interpreter line of more than %d bytes", maxScript), fix
	}
	line = bytes.Trim(line, " \t")
	if bytes.HasSuffix(line, []byte("\r")) {
		return "has Windows line ends, so its interpreter is not found", `sed -i 's/\r$//' bootstrap before zipping`
	}
	interpreter := line
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		interpreter = line[:i]
	}
	insane := bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
	if insane || !bytes.HasPrefix(interpreter, []byte("/")) || bytes.HasSuffix(interpreter, []byte("/")) {
		return fmt.Sprintf("names no interpreter that can be run: %.64q", line), fix
	}
	return "", ""
}
