package sandbox

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var fuzzLimits = ArchiveLimits{Zipped: 1 << 20, Unzipped: 64 << 10, Files: 32}

// FuzzUnpack: whatever the bytes, nothing is written outside the directory, no more than allowed inside it, and on an
// error there is no directory.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte{})
	f.Add(zipOf(f, good))
	f.Add(zipOf(f, good, zipEntry{name: "a/b/", mode: fs.ModeDir | 0o755}, zipEntry{name: "a/b/c", body: strings.Repeat("c", 1000)}))
	f.Add(zipOf(f, good, zipEntry{name: "../decoy", body: "evil"}))
	f.Add(zipOf(f, good, zipEntry{name: "/tmp/evil", body: "evil"}))
	f.Add(zipOf(f, good, zipEntry{name: "l", mode: fs.ModeSymlink | 0o777, body: ".."}, zipEntry{name: "l/decoy", body: "evil"}))
	f.Add(zipOf(f, zipEntry{name: "bootstrap", mode: 0o755, body: elfHead(nil), forge: func(h *zip.FileHeader) { h.Flags |= 8 }}))
	f.Add(zeros(f, 4, 1000))
	f.Add(zeros(f, 4, 4<<20))
	f.Fuzz(tryUnpack)
}

// FuzzUnpackEntry makes whole zips around one entry, which mutation of bytes seldom keeps readable.
func FuzzUnpackEntry(f *testing.F) {
	f.Add("a/b", uint32(0o100644)<<16, uint16(3)<<8, zip.Deflate, uint16(0), []byte("body"), uint64(4), []byte{}, "a/b/c")
	f.Add("../decoy", uint32(0o120777)<<16, uint16(3)<<8, zip.Store, uint16(1), []byte("/etc"), uint64(3), []byte{0x0d, 0, 1, 0, 0}, "../../decoy")
	f.Add("bootstrap/", uint32(0x10), uint16(20), uint16(12), uint16(8), []byte{}, uint64(1<<63), []byte{0x6e, 0x75, 0xff}, "/")
	f.Add(`..\decoy`, uint32(0o104755)<<16, uint16(19)<<8, zip.Deflate, uint16(0x800), []byte("x"), uint64(1<<64-1), []byte{}, "BOOTSTRAP")
	f.Fuzz(func(t *testing.T, name string, attrs uint32, creator, method, flags uint16, body []byte, declare uint64, extra []byte, second string) {
		if len(name)|len(extra)|len(second) > 0x7fff || len(body) > 1<<16 {
			t.Skip("longer than a zip can say")
		}
		tryUnpack(t, zipOf(t, good,
			zipEntry{name: name, body: string(body), forge: func(h *zip.FileHeader) {
				h.ExternalAttrs, h.CreatorVersion, h.Flags, h.Extra = attrs, creator, flags, extra
				if h.Method = method; method == zip.Store {
					h.CompressedSize64 = uint64(len(body))
				}
				if declare%4 == 0 { // else true
					h.UncompressedSize64 = declare
				}
			}},
			zipEntry{name: second, body: "second"}))
	})
}

func tryUnpack(t *testing.T, data []byte) {
	parent := t.TempDir()
	decoy := filepath.Join(parent, "decoy")
	if err := os.WriteFile(decoy, []byte("decoy"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(parent, "code"), 0o755); err != nil {
		t.Fatal(err)
	}
	outside := filesBelow(t, parent)
	r, size := bytes.NewReader(data), int64(len(data))
	dir := filepath.Join(parent, "code", "task")
	checked := CheckArchive(r, size, fuzzLimits)
	err := Unpack(t.Context(), r, size, dir, fuzzLimits)
	if (checked == nil) != (err == nil) || err != nil && err.Error() != checked.Error() {
		t.Errorf("CheckArchive: %v\n    Unpack: %v", checked, err)
	}
	if err != nil {
		bad, ok := errors.AsType[*ArchiveError](err)
		if !ok {
			t.Fatalf("not the archive's fault: %v", err)
		}
		checkArchiveError(t, bad)
		sameFiles(t, parent, outside)
		return
	}

	files, total := 0, int64(0)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch m := info.Mode(); {
		case m == fs.ModeDir|0o755:
		case m == 0o644 || m == 0o755:
			total += info.Size()
		default:
			t.Errorf("%q has mode %v", path, m)
		}
		if path != dir {
			files++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total > fuzzLimits.Unzipped || files > fuzzLimits.Files {
		t.Errorf("%d bytes in %d files", total, files)
	}
	if CheckBootstrap(r, size, fuzzLimits) == nil {
		if info, err := os.Lstat(filepath.Join(dir, "bootstrap")); err != nil || info.Mode() != 0o755 {
			t.Errorf("accepted as a bootstrap: %v, %v", info, err)
		}
	}
	if files == 0 {
		t.Error("accepted without a file")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, parent, outside)
}
