package sandbox

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"enilab/internal/nstest"
)

// zipEntry is one entry as a test wants it in the directory of a zip, true or not.
type zipEntry struct {
	name  string
	mode  fs.FileMode // zero means 0644
	body  string      // zero means none
	forge func(*zip.FileHeader)
}

const script = "#!/bin/sh\nexit 0\n"

var good = zipEntry{name: "bootstrap", mode: 0o755, body: script}

// zipOf writes what the entries say, without the checks and corrections of a well-meant zip.Writer.
func zipOf(tb testing.TB, entries ...zipEntry) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		var packed bytes.Buffer
		if e.body != "" {
			d, _ := flate.NewWriter(&packed, flate.BestSpeed)
			io.WriteString(d, e.body)
			d.Close()
		}
		h := &zip.FileHeader{
			Name: e.name, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE([]byte(e.body)),
			CompressedSize64: uint64(packed.Len()), UncompressedSize64: uint64(len(e.body)),
		}
		if e.body == "" {
			h.Method = zip.Store
		}
		if e.mode == 0 {
			e.mode = 0o644
		}
		h.SetMode(e.mode)
		if e.forge != nil {
			e.forge(h)
		}
		data := packed.Bytes()
		if h.Method == zip.Store {
			data = []byte(e.body)
		}
		f, err := w.CreateRaw(h)
		if err == nil && !strings.HasSuffix(e.name, "/") { // a directory with content has it in its header only
			_, err = f.Write(data)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// filesBelow lists what lies below dir as path → mode and content.
func filesBelow(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s := info.Mode().String()
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			s += " " + string(b)
		}
		rel, _ := filepath.Rel(dir, p)
		found[rel] = s
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func sameFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if got := filesBelow(t, dir); !maps.Equal(got, want) {
		t.Errorf("in %s:\n got %q\nwant %q", dir, got, want)
	}
}

func elfHead(edit func(h []byte)) string {
	h := make([]byte, 64)
	copy(h, elf.ELFMAG)
	h[elf.EI_CLASS], h[elf.EI_DATA], h[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	binary.LittleEndian.PutUint16(h[16:], uint16(elf.ET_DYN))
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "riscv64": elf.EM_RISCV}
	binary.LittleEndian.PutUint16(h[18:], uint16(machine[runtime.GOARCH]))
	if edit != nil {
		edit(h)
	}
	return string(h)
}

func TestUnpack(t *testing.T) {
	nstest.NoLeaks(t)
	defer syscall.Umask(syscall.Umask(0o077)) // modes hold whatever the umask
	parent := t.TempDir()
	data := zipOf(t,
		zipEntry{name: "./", mode: fs.ModeDir | 0o700},
		zipEntry{name: "./bootstrap", mode: 0o700, body: elfHead(nil)},
		zipEntry{name: "lib/deep/data.txt", mode: 0o600, body: "data"},
		zipEntry{name: "lib/", mode: fs.ModeDir | fs.ModeSetgid | 0o2770},
		zipEntry{name: "empty/", mode: fs.ModeDir | 0o700},
		zipEntry{name: "stored", body: "stored", forge: func(h *zip.FileHeader) { h.Method, h.CompressedSize64 = zip.Store, 6 }},
		zipEntry{name: "Lib", body: "case as is"},
	)
	r, size := bytes.NewReader(data), int64(len(data))
	if err := CheckArchive(r, size, ArchiveLimits{}); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, parent, map[string]string{})
	dir := filepath.Join(parent, "task")
	if err := Unpack(t.Context(), r, size, dir, ArchiveLimits{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"task":                   "drwxr-xr-x",
		"task/bootstrap":         "-rwxr-xr-x " + elfHead(nil),
		"task/lib":               "drwxr-xr-x",
		"task/lib/deep":          "drwxr-xr-x",
		"task/lib/deep/data.txt": "-rw-r--r-- data",
		"task/empty":             "drwxr-xr-x",
		"task/stored":            "-rw-r--r-- stored",
		"task/Lib":               "-rw-r--r-- case as is",
	}
	sameFiles(t, parent, want)

	if err := Unpack(t.Context(), r, size, dir, ArchiveLimits{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a directory that exists: %v", err)
	}
	sameFiles(t, parent, want)
}

func TestBadArchives(t *testing.T) {
	nstest.NoLeaks(t)
	with := func(entries ...zipEntry) []byte { return zipOf(t, append([]zipEntry{good}, entries...)...) }
	named := func(name string) []byte { return with(zipEntry{name: name, body: "x"}) }
	moded := func(mode fs.FileMode) []byte { return with(zipEntry{name: "odd", mode: mode, body: "/etc/passwd"}) }
	forged := func(forge func(h *zip.FileHeader)) []byte {
		return with(zipEntry{name: "odd", body: "some data", forge: forge})
	}
	extra := func(id uint16, n int) func(h *zip.FileHeader) {
		return func(h *zip.FileHeader) {
			h.Extra = binary.LittleEndian.AppendUint16(h.Extra, id)
			h.Extra = binary.LittleEndian.AppendUint16(h.Extra, uint16(n))
			h.Extra = append(h.Extra, make([]byte, n)...)
		}
	}
	whole := with(zipEntry{name: "data", body: "some data that is long enough to be damaged"})
	damaged := bytes.Clone(with(zipEntry{name: "odd", body: "some data", forge: func(h *zip.FileHeader) { h.Method, h.CompressedSize64 = zip.Store, 9 }}))
	damaged[bytes.Index(damaged, []byte("some data"))] ^= 1
	shifted := bytes.Clone(whole) // its end record puts the directory a byte too far, so the first entry starts at -1
	shifted[bytes.LastIndex(shifted, []byte("PK\x05\x06"))+16]++
	many := make([]zipEntry, 20)
	for i := range many {
		many[i] = zipEntry{name: strings.Repeat("x", i+1)}
	}
	tests := map[string]struct {
		data   []byte
		lim    ArchiveLimits
		object string
		reason string
	}{
		"nothing":    {data: nil, reason: "not a whole zip"},
		"not a zip":  {data: []byte(strings.Repeat("not a zip ", 100)), reason: "not a whole zip"},
		"cut short":  {data: whole[:len(whole)-30], reason: "not a whole zip"},
		"no entries": {data: zipOf(t), reason: "has no files"},
		"no file":    {data: zipOf(t, zipEntry{name: "a/", mode: fs.ModeDir | 0o755}), reason: "has no files"},

		"no name":           {data: with(zipEntry{name: ""}), object: "entry 2", reason: "has no name"},
		"parent":            {data: named("../evil"), object: "../evil", reason: `".."`},
		"parent inside":     {data: named("a/../../evil"), object: "a/../../evil", reason: `".."`},
		"parent as dir":     {data: named("a/.."), object: "a/..", reason: `".."`},
		"absolute":          {data: named("/etc/evil"), object: "/etc/evil", reason: "absolute"},
		"absolute behind .": {data: named(".//etc/evil"), object: ".//etc/evil", reason: "not a plain path"},
		"root":              {data: named("/"), object: "/", reason: "absolute"},
		"backslash":         {data: named(`..\evil`), object: `..\evil`, reason: "backslash"},
		"drive":             {data: named(`C:\evil`), object: `C:\evil`, reason: "backslash"},
		"NUL":               {data: named("a\x00b"), object: "a\x00b", reason: "NUL"},
		"double slash":      {data: named("a//b"), object: "a//b", reason: "not a plain path"},
		"dot inside":        {data: named("a/./b"), object: "a/./b", reason: "not a plain path"},
		"dot":               {data: named("."), object: ".", reason: "not a plain path"},
		"long element":      {data: named(strings.Repeat("n", 256)), object: strings.Repeat("n", 256), reason: "name of more than 255 bytes"},
		"long path":         {data: named(strings.Repeat("dir/", 257)[:1027]), object: strings.Repeat("dir/", 257)[:1027], reason: "path of 1027 bytes"},
		"deep path":         {data: named(strings.Repeat("d/", 64) + "f"), object: strings.Repeat("d/", 64) + "f", reason: "deeper than 64"},

		"twice":             {data: with(zipEntry{name: "a"}, zipEntry{name: "a"}), object: "a", reason: "twice"},
		"twice, with ./":    {data: with(zipEntry{name: "./bootstrap", body: "x"}), object: "./bootstrap", reason: "twice"},
		"directory twice":   {data: with(zipEntry{name: "a/"}, zipEntry{name: "a/"}), object: "a/", reason: "twice"},
		"file then dir":     {data: with(zipEntry{name: "a"}, zipEntry{name: "a/"}), object: "a/", reason: "as a file and as a directory"},
		"file then below":   {data: with(zipEntry{name: "a"}, zipEntry{name: "a/b/c"}), object: "a/b/c", reason: `below "a"`},
		"below then file":   {data: with(zipEntry{name: "a/b/c"}, zipEntry{name: "a"}), object: "a", reason: "as a file and as a directory"},
		"dir then file":     {data: with(zipEntry{name: "a/"}, zipEntry{name: "a"}), object: "a", reason: "as a file and as a directory"},
		"dir with content":  {data: with(zipEntry{name: "a/", body: "x"}), object: "a/", reason: "with content"},
		"symlink":           {data: moded(fs.ModeSymlink | 0o777), object: "odd", reason: "symbolic link"},
		"symlinked parent":  {data: with(zipEntry{name: "a", mode: fs.ModeSymlink | 0o777, body: "/tmp"}, zipEntry{name: "a/x", body: "x"}), object: "a", reason: "symbolic link"},
		"char device":       {data: moded(fs.ModeDevice | fs.ModeCharDevice | 0o600), object: "odd", reason: "device"},
		"block device":      {data: moded(fs.ModeDevice | 0o600), object: "odd", reason: "device"},
		"fifo":              {data: moded(fs.ModeNamedPipe | 0o600), object: "odd", reason: "pipe"},
		"socket":            {data: moded(fs.ModeSocket | 0o600), object: "odd", reason: "socket"},
		"setuid":            {data: moded(fs.ModeSetuid | 0o755), object: "odd", reason: "setuid"},
		"setgid":            {data: moded(fs.ModeSetgid | 0o755), object: "odd", reason: "setuid or setgid"},
		"hard link, PKWARE": {data: forged(extra(0x000d, 16)), object: "odd", reason: "is a link"},
		"hard link, ASi":    {data: forged(extra(0x756e, 20)), object: "odd", reason: "is a link"},
		"encrypted":         {data: forged(func(h *zip.FileHeader) { h.Flags |= 1 }), object: "odd", reason: "encrypted"},
		"strongly":          {data: forged(func(h *zip.FileHeader) { h.Flags |= 1 << 6 }), object: "odd", reason: "encrypted"},
		"bzip2":             {data: forged(func(h *zip.FileHeader) { h.Method = 12 }), object: "odd", reason: "method 12"},
		"wrong checksum":    {data: damaged, object: "odd", reason: "damaged"},
		"declares too few":  {data: forged(func(h *zip.FileHeader) { h.UncompressedSize64-- }), object: "odd", reason: "more than the 8 bytes it declares"},
		"declares too many": {data: forged(func(h *zip.FileHeader) { h.UncompressedSize64++ }), object: "odd", reason: "damaged"},
		"negative offset":   {data: shifted, object: "bootstrap", reason: "damaged"},
		"packed past end":   {data: forged(func(h *zip.FileHeader) { h.CompressedSize64 = 1 << 62 }), object: "odd", reason: "overlaps"},
		"packed negative":   {data: forged(func(h *zip.FileHeader) { h.CompressedSize64 = 1 << 63 }), object: "odd", reason: "overlaps"},
		"sizes overflow":    {data: forged(func(h *zip.FileHeader) { h.UncompressedSize64 = 1<<64 - 4 }), object: "odd", reason: "does not fit"},

		"zip too large":      {data: whole, lim: ArchiveLimits{Zipped: int64(len(whole)) - 1}, reason: "more than the"},
		"content too large":  {data: with(zipEntry{name: "a", body: "12345"}, zipEntry{name: "b", body: "12345"}), lim: ArchiveLimits{Unzipped: int64(len(script)) + 9}, object: "b", reason: "does not fit"},
		"too many files":     {data: zipOf(t, many...), lim: ArchiveLimits{Files: 19}, reason: "more than the 19 files"},
		"too many, implied":  {data: with(zipEntry{name: "1/2/3/4/5/6/7/8/9/x"}), lim: ArchiveLimits{Files: 10}, reason: "more than the 10 files"},
		"directory too long": {data: with(slices.Repeat([]zipEntry{{name: strings.Repeat("n", 60000)}}, 20)...), lim: ArchiveLimits{Files: 25}, reason: "more than the 25 files"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			size := int64(len(test.data))
			err := Unpack(t.Context(), bytes.NewReader(test.data), size, filepath.Join(parent, "task"), test.lim)
			var bad *ArchiveError
			if !errors.As(err, &bad) {
				t.Fatalf("err = %v, want an ArchiveError", err)
			}
			if bad.Object != test.object || !strings.Contains(bad.Reason, test.reason) {
				t.Errorf("object %q, reason %q\n want %q, %q", bad.Object, bad.Reason, test.object, test.reason)
			}
			checkArchiveError(t, bad)
			sameFiles(t, parent, map[string]string{})
			if err := CheckArchive(bytes.NewReader(test.data), size, test.lim); err == nil || err.Error() != bad.Error() {
				t.Errorf("CheckArchive: %v\n    Unpack: %v", err, bad)
			}
		})
	}
}

// checkArchiveError holds the promise of one clear line with object, reason and way out.
func checkArchiveError(t *testing.T, err *ArchiveError) {
	t.Helper()
	s := err.Error()
	if err.Reason == "" || err.Fix == "" || !strings.HasSuffix(s, err.Fix) || strings.ContainsAny(s, "\n\r\x00") || len(s) > 4000 {
		t.Errorf("not one clear line with a way out: %q", s)
	}
}

// zeros is a zip of a bootstrap and n MiB of zeros. Its data is one flushed deflate block repeated, so it takes no time.
func zeros(tb testing.TB, n int, declare uint64) []byte {
	tb.Helper()
	var block bytes.Buffer
	d, _ := flate.NewWriter(&block, flate.BestCompression)
	d.Write(make([]byte, 1<<20))
	d.Flush()
	data := append(bytes.Repeat(block.Bytes(), n), 1, 0, 0, 0xff, 0xff) // a last, empty, stored block
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range []struct {
		zip.FileHeader
		data []byte
	}{
		{zip.FileHeader{Name: "bootstrap", UncompressedSize64: uint64(len(script)), CompressedSize64: uint64(len(script)), CRC32: crc32.ChecksumIEEE([]byte(script))}, []byte(script)},
		{zip.FileHeader{Name: "zeros", Method: zip.Deflate, UncompressedSize64: declare, CompressedSize64: uint64(len(data))}, data},
	} {
		e.SetMode(0o755)
		f, err := w.CreateRaw(&e.FileHeader)
		if err == nil {
			_, err = f.Write(e.data)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// meter counts what is read of an archive: what was not read was not unpacked either.
type meter struct {
	io.ReaderAt
	read int64
}

func (m *meter) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.ReaderAt.ReadAt(p, off)
	m.read += int64(n)
	return n, err
}

func TestTenGigabytesOfZeros(t *testing.T) {
	nstest.NoLeaks(t)
	const mib = 10 << 10
	for name, declare := range map[string]uint64{"honest": mib << 20, "declares 4 KiB": 4 << 10, "declares 0": 0, "declares 20 MiB": 20 << 20} {
		t.Run(name, func(t *testing.T) {
			data := zeros(t, mib, declare)
			if int64(len(data)) > DefaultZipped {
				t.Fatalf("the bomb has %d bytes and would be refused for that", len(data))
			}
			parent := t.TempDir()
			m := &meter{ReaderAt: bytes.NewReader(data)}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			err := Unpack(t.Context(), m, int64(len(data)), filepath.Join(parent, "task"), ArchiveLimits{})
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			var bad *ArchiveError
			if !errors.As(err, &bad) || bad.Object != "zeros" {
				t.Fatalf("err = %v, want an ArchiveError about zeros", err)
			}
			sameFiles(t, parent, map[string]string{})
			// Deflate reaches 1032:1, so the bytes read bound the bytes written: what was declared and a buffer more.
			if limit := int64(64<<10) + 2*int64(min(declare, 20<<20))/1000; m.read > limit {
				t.Errorf("read %d bytes of the archive, want at most %d", m.read, limit)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
				t.Errorf("allocated %d bytes", got)
			}
			t.Logf("refused in %v, %d bytes read, %d allocated: %v", took, m.read, after.TotalAlloc-before.TotalAlloc, err)
		})
	}
}

// Entries may share their data (a "quilted" bomb): then a small archive would be much work.
func TestSharedDataIsRefused(t *testing.T) {
	body := strings.Repeat("0123456789", 1000)
	stored := func(h *zip.FileHeader) { h.Method, h.CompressedSize64 = zip.Store, h.UncompressedSize64 }
	data := zipOf(t, good, zipEntry{name: "a", body: body, forge: stored}, zipEntry{name: "b", body: body, forge: stored})
	// Cut b's data out of the file and let its directory entry point to a's header.
	first := bytes.Index(data, []byte(body))
	second := first + len(body) + bytes.Index(data[first+len(body):], []byte("PK\x03\x04"))
	directory := bytes.Index(data, []byte("PK\x01\x02"))
	header := bytes.LastIndex(data[:first], []byte("PK\x03\x04"))
	small := slices.Concat(data[:second], data[directory:])
	last := bytes.LastIndex(small, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(small[last+42:], uint32(header))
	end := bytes.LastIndex(small, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint32(small[end+16:], uint32(second))
	if z, err := zip.NewReader(bytes.NewReader(small), int64(len(small))); err != nil || len(z.File) != 3 {
		t.Fatalf("the forged zip cannot be read: %v", err)
	}
	err := CheckArchive(bytes.NewReader(small), int64(len(small)), ArchiveLimits{})
	var bad *ArchiveError
	if !errors.As(err, &bad) || bad.Object != "b" || !strings.Contains(bad.Reason, "overlaps") {
		t.Errorf("err = %v", err)
	}
}

func TestDirectoryThatLiesAboutItsLength(t *testing.T) {
	// 65,536 entries more than the end record's 16 bits can say: archive/zip compares only those.
	entries := slices.Repeat([]zipEntry{{name: "x"}}, 65536+3)
	data := zipOf(t, entries...)
	end := bytes.LastIndex(data, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint16(data[end+8:], 3)
	binary.LittleEndian.PutUint16(data[end+10:], 3)
	err := CheckArchive(bytes.NewReader(data), int64(len(data)), ArchiveLimits{})
	var bad *ArchiveError
	if !errors.As(err, &bad) || !strings.Contains(bad.Reason, "more than the 65535 files") {
		t.Errorf("err = %v", err)
	}
}

func TestFaultsThatAreNotTheArchives(t *testing.T) {
	nstest.NoLeaks(t)
	data := zipOf(t, good, zipEntry{name: "data", body: strings.Repeat("data", 1<<16)})
	size := int64(len(data))
	stopped := errors.New("stopped")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	late, cancelLate := context.WithCancelCause(t.Context())
	defer cancelLate(nil)

	tests := map[string]struct {
		ctx  context.Context
		r    io.ReaderAt
		want error
	}{
		"cancelled before":  {cancelled, bytes.NewReader(data), stopped},
		"cancelled midway":  {late, &nth{ReaderAt: bytes.NewReader(data), n: 5, do: func() error { cancelLate(stopped); return nil }}, stopped},
		"unreadable":        {t.Context(), &nth{ReaderAt: bytes.NewReader(data), n: 1, do: func() error { return iotest.ErrTimeout }}, iotest.ErrTimeout},
		"unreadable midway": {t.Context(), &nth{ReaderAt: bytes.NewReader(data), n: 5, do: func() error { return iotest.ErrTimeout }}, iotest.ErrTimeout},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			err := Unpack(test.ctx, test.r, size, filepath.Join(parent, "task"), ArchiveLimits{})
			if _, blamed := errors.AsType[*ArchiveError](err); !errors.Is(err, test.want) || blamed {
				t.Errorf("err = %v, want %v", err, test.want)
			}
			sameFiles(t, parent, map[string]string{})
		})
	}
	t.Run("no parent", func(t *testing.T) {
		err := Unpack(t.Context(), bytes.NewReader(data), size, filepath.Join(t.TempDir(), "no", "task"), ArchiveLimits{})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("err = %v", err)
		}
	})
}

// nth calls do before the n-th read, and fails that read with its error.
type nth struct {
	io.ReaderAt
	n  int
	do func() error
}

func (r *nth) ReadAt(p []byte, off int64) (int, error) {
	r.n--
	if r.n == 0 {
		if err := r.do(); err != nil {
			return 0, err
		}
	}
	return r.ReaderAt.ReadAt(p, off)
}
