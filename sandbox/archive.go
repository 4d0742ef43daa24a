package sandbox

import (
	"archive/zip"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// AWS's quotas for a deployment package (Lambda Developer Guide, "Lambda quotas": "50 MB (zipped, when uploaded through
// the Lambda API or SDKs)", "250 MB … unzipped"). AWS's own error says 262144000 bytes, so a MB is 2^20 bytes there.
const (
	DefaultZipped   int64 = 50 << 20  // bytes of the zip itself
	DefaultUnzipped int64 = 250 << 20 // bytes of all files in it
)

// DefaultFiles is how many files and directories code may have. AWS names no such quota; this is what a zip without the
// Zip64 extension can count (APPNOTE.TXT 4.4.22).
const DefaultFiles = 65535

const (
	maxElement   = 255  // bytes of one path element (NAME_MAX, linux/limits.h)
	maxCodePath  = 1024 // bytes of a path below the code's directory; leaves 3 KiB of PATH_MAX to whoever mounts it
	maxDepth     = 64   // elements of a path
	dirEntrySize = 256  // bytes of central directory granted per file: 46 and a name; the rest of 1 MiB is for long ones
	dirSlack     = 1 << 20
)

// ArchiveLimits bound what a code archive may cost. Zero fields mean AWS's quotas.
type ArchiveLimits struct {
	Zipped   int64 // bytes of the zip itself; zero means DefaultZipped
	Unzipped int64 // bytes of all files in it; zero means DefaultUnzipped
	Files    int   // files and directories, implied ones too; zero means DefaultFiles
}

func (l ArchiveLimits) withDefaults() ArchiveLimits {
	return ArchiveLimits{
		Zipped:   cmp.Or(max(l.Zipped, 0), DefaultZipped),
		Unzipped: cmp.Or(max(l.Unzipped, 0), DefaultUnzipped),
		Files:    cmp.Or(max(l.Files, 0), DefaultFiles),
	}
}

// ArchiveError says what is wrong with a code archive: the fault of whoever made it, never of this machine.
type ArchiveError struct {
	Object string // what in the archive, such as an entry's name; empty means the archive as a whole
	Reason string // what is wrong with it, as the rest of a sentence that starts with Object
	Fix    string // the way out
}

// Error is one line, however the archive names its entries.
func (e *ArchiveError) Error() string {
	object := ""
	if e.Object != "" {
		name := e.Object
		if len(name) > maxElement {
			name = name[:maxElement] + "…"
		}
		object = fmt.Sprintf(": %q", name)
	}
	return fmt.Sprintf("code archive%s %s; %s", object, e.Reason, e.Fix)
}

const (
	fixZip   = "make it anew: cd into the code's directory, then zip -r code.zip ."
	fixFiles = "leave out what the function does not need"
	fixPaths = "zip with plain relative paths: cd into the code's directory, then zip -r code.zip ."
	fixPlain = "put plain files and directories into the zip; zip -r without -y follows symbolic links"
)

// CheckArchive reads the whole archive and reports whether [Unpack] would take it. It writes nothing. An [*ArchiveError]
// is the archive's fault; any other error is not.
func CheckArchive(r io.ReaderAt, size int64, lim ArchiveLimits) error {
	a, err := openArchive(context.Background(), r, size, lim)
	if err != nil {
		return err
	}
	for _, e := range a.files {
		if err := a.copyTo(io.Discard, e); err != nil {
			return err
		}
	}
	return nil
}

// Unpack extracts a code archive into dir, which must not exist: wholly or, on any error, not at all. Until the end it
// works in a hidden directory beside dir. Files get mode 0644, or 0755 if anyone may execute them in the archive,
// directories 0755, whatever the umask. Errors are as those of [CheckArchive].
func Unpack(ctx context.Context, r io.ReaderAt, size int64, dir string, lim ArchiveLimits) (err error) {
	a, err := openArchive(ctx, r, size, lim)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("unpack code into %s: %w", dir, fs.ErrExist)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".tmp-")
	if err != nil {
		return fmt.Errorf("unpack code: %w", err)
	}
	defer func() {
		if err == nil {
			return
		}
		if left := os.RemoveAll(tmp); left != nil {
			err = errors.Join(err, fmt.Errorf("unpack code: clean up: %w", left))
		}
	}()
	if err := a.writeTo(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("unpack code: %w", err)
	}
	return nil
}

// archive is a zip whose directory was read and found good. The data of its files was not looked at.
type archive struct {
	src   *archiveSource
	lim   ArchiveLimits
	files []archiveEntry
	kinds map[string]pathKind // every path, those of implied directories too
}

type archiveEntry struct {
	*zip.File
	path string
	mode fs.FileMode
}

type pathKind uint8

const (
	noPath pathKind = iota
	filePath
	dirPath
	impliedDir // some entry lies below it, but it has none itself (yet)
)

func openArchive(ctx context.Context, r io.ReaderAt, size int64, lim ArchiveLimits) (*archive, error) {
	lim = lim.withDefaults()
	if size > lim.Zipped {
		return nil, &ArchiveError{"", fmt.Sprintf("has %d bytes, more than the %d allowed", size, lim.Zipped), fixFiles}
	}
	a := &archive{src: &archiveSource{ctx: ctx, r: r, left: int64(lim.Files)*dirEntrySize + dirSlack}, lim: lim, kinds: map[string]pathKind{}}
	z, err := zip.NewReader(a.src, max(size, 0))
	switch {
	case a.src.exhausted || err == nil && len(z.File) > lim.Files:
		return nil, a.tooMany()
	case a.src.err != nil:
		return nil, a.src.failure()
	case err != nil && !errors.Is(err, zip.ErrInsecurePath): // paths are checked below, more strictly
		return nil, &ArchiveError{"", "is not a whole zip file", fixZip}
	}
	a.src.left = -1
	var declared, packed uint64
	for i, f := range z.File {
		e, err := a.add(i, f)
		if err != nil {
			return nil, err
		}
		if f.UncompressedSize64 > uint64(lim.Unzipped)-declared {
			reason := fmt.Sprintf("does not fit: unzipped, the archive has more than the %d bytes allowed", lim.Unzipped)
			return nil, &ArchiveError{f.Name, reason, fixFiles}
		}
		declared += f.UncompressedSize64
		// Entries that share their data could make a small archive the work of a large one.
		if f.CompressedSize64 > uint64(size)-packed {
			return nil, &ArchiveError{f.Name, "overlaps other entries or the end of the archive", fixZip}
		}
		packed += f.CompressedSize64
		if !e.mode.IsDir() {
			a.files = append(a.files, e)
		}
	}
	if len(a.files) == 0 {
		return nil, &ArchiveError{"", "has no files in it", fixPaths}
	}
	return a, nil
}

// add enters one entry, and the directories that its path implies, into a.kinds. Its data is not looked at.
func (a *archive) add(index int, f *zip.File) (archiveEntry, error) {
	bad := func(reason, fix string) (archiveEntry, error) {
		return archiveEntry{}, &ArchiveError{f.Name, reason, fix}
	}
	if f.Name == "" {
		return archiveEntry{}, &ArchiveError{fmt.Sprintf("entry %d", index+1), "has no name", fixZip}
	}
	e := archiveEntry{File: f, path: strings.TrimSuffix(strings.TrimPrefix(f.Name, "./"), "/"), mode: f.Mode()}
	if e.mode.IsDir() && (e.path == "" && f.Name == "./" || e.path == ".") {
		return e, nil // the code's own directory, as `bsdtar -cf code.zip .` adds it
	}
	if reason := badPath(f.Name, e.path); reason != "" {
		return bad(reason, fixPaths)
	}
	switch t := e.mode.Type(); {
	case t == fs.ModeSymlink:
		return bad("is a symbolic link", fixPlain)
	case t != 0 && t != fs.ModeDir:
		return bad("is a device, pipe or socket", fixPlain)
	case hasLinkTarget(f.Extra):
		return bad("is a link or a device", fixPlain)
	case t == 0 && e.mode&(fs.ModeSetuid|fs.ModeSetgid) != 0:
		return bad("is setuid or setgid", "chmod ug-s it before zipping")
	case t == fs.ModeDir && f.UncompressedSize64 != 0:
		return bad("is a directory with content", fixZip)
	case f.Flags&(1<<0|1<<6|1<<13) != 0: // APPNOTE.TXT 4.4.4: encrypted, strongly, or its header masked
		return bad("is encrypted", "zip it without a password")
	case t == 0 && f.Method != zip.Store && f.Method != zip.Deflate:
		return bad(fmt.Sprintf("is compressed with method %d", f.Method), "use zip's default, deflate")
	}
	self := filePath
	if e.mode.IsDir() {
		self = dirPath
	}
	switch had := a.kinds[e.path]; {
	case had == self:
		return bad("is in the archive twice", fixZip)
	case had != noPath && (had != impliedDir || self != dirPath):
		return bad("is in the archive as a file and as a directory", fixZip)
	}
	a.kinds[e.path] = self
	for p := parentPath(e.path); p != ""; p = parentPath(p) {
		if had := a.kinds[p]; had == filePath {
			return bad(fmt.Sprintf("lies below %q, which is a file", p), fixZip)
		} else if had != noPath {
			break
		}
		a.kinds[p] = impliedDir
	}
	if len(a.kinds) > a.lim.Files {
		return archiveEntry{}, a.tooMany()
	}
	return e, nil
}

func (a *archive) tooMany() error {
	return &ArchiveError{"", fmt.Sprintf("has more than the %d files and directories allowed", a.lim.Files), fixFiles}
}

func parentPath(p string) string { return p[:max(strings.LastIndexByte(p, '/'), 0)] }

// badPath says why a name cannot be a path below the code's directory; path is the name without a leading "./" and a
// trailing slash.
func badPath(name, path string) string {
	switch {
	case strings.Contains(name, "\x00"):
		return "has a NUL byte in its name"
	case strings.Contains(name, `\`):
		return "has a backslash in its name"
	case strings.HasPrefix(name, "/"):
		return "is an absolute path"
	case len(path) > maxCodePath:
		return fmt.Sprintf("has a path of %d bytes, more than %d", len(path), maxCodePath)
	case strings.Count(path, "/") >= maxDepth:
		return fmt.Sprintf("lies deeper than %d directories", maxDepth)
	}
	for element := range strings.SplitSeq(path, "/") {
		switch {
		case element == "" || element == ".":
			return "is not a plain path"
		case element == "..":
			return `has ".." in its path`
		case len(element) > maxElement:
			return fmt.Sprintf("has a name of more than %d bytes", maxElement)
		}
	}
	return ""
}

// hasLinkTarget reports whether one of the two Unix extra fields says what archive/zip does not read: the target of a
// hard or symbolic link, or a device number (APPNOTE.TXT 4.5.7; Info-ZIP extrafld.txt, "ASi Unix").
func hasLinkTarget(extra []byte) bool {
	fixed := map[uint16]int{0x000d: 12, 0x756e: 14} // bytes of the field before the target
	for len(extra) >= 4 {
		id, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if n, ok := fixed[id]; ok && size > n {
			return true
		}
		extra = extra[min(4+size, len(extra)):]
	}
	return false
}

// writeTo writes the archive's directories and files below dir. The root keeps whatever a path may do inside it.
func (a *archive) writeTo(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack code: %w", err)
	}
	defer root.Close()
	dirs := []string{"."}
	for path, k := range a.kinds {
		if k != filePath {
			dirs = append(dirs, path)
		}
	}
	slices.Sort(dirs) // parents come first
	for _, path := range dirs {
		if path != "." {
			if err := root.Mkdir(path, 0o755); err != nil {
				return fmt.Errorf("unpack code: %w", err)
			}
		}
		if err := root.Chmod(path, 0o755); err != nil { // the umask may have taken bits away
			return fmt.Errorf("unpack code: %w", err)
		}
	}
	for _, e := range a.files {
		if err := a.writeFile(root, e); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) writeFile(root *os.Root, e archiveEntry) error {
	mode := fs.FileMode(0o644)
	if e.mode&0o111 != 0 {
		mode = 0o755
	}
	f, err := root.OpenFile(e.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("unpack code: %w", err)
	}
	err = f.Chmod(mode)
	if err == nil {
		err = a.copyTo(f, e)
	}
	return cmp.Or(err, f.Close())
}

func (a *archive) copyTo(w io.Writer, e archiveEntry) error {
	data, err := a.open(e)
	if err != nil {
		return err
	}
	defer data.Close()
	_, err = io.Copy(w, data)
	return err
}

func (a *archive) open(e archiveEntry) (*entryData, error) {
	data, err := e.Open()
	if err != nil {
		return nil, a.damaged(e, err)
	}
	return &entryData{ReadCloser: data, a: a, e: e}, nil
}

// damaged tells an archive that is broken from one that cannot be read.
func (a *archive) damaged(e archiveEntry, err error) error {
	if a.src.err != nil {
		return a.src.failure()
	}
	return &ArchiveError{e.Name, fmt.Sprintf("is damaged (%v)", err), fixZip}
}

// entryData is the data of one file. It ends with an error as soon as there is more of it than the directory declared, so
// that a header cannot lie its way past the limits.
type entryData struct {
	io.ReadCloser
	a *archive
	e archiveEntry
	n uint64 // bytes read so far
}

func (b *entryData) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += uint64(n)
	switch {
	case b.n > b.e.UncompressedSize64 || errors.Is(err, zip.ErrFormat): // archive/zip says so, and is not relied upon
		return 0, &ArchiveError{b.e.Name, fmt.Sprintf("has more than the %d bytes it declares", b.e.UncompressedSize64), fixZip}
	case err != nil && err != io.EOF:
		return 0, b.a.damaged(b.e, err)
	}
	return n, err
}

// archiveSource reads the archive until the context ends, and tells its own errors from those that archive/zip finds in the
// bytes. While the directory is read it also bounds how much of it is taken into memory.
type archiveSource struct {
	ctx       context.Context // of the call whose source this is
	r         io.ReaderAt
	left      int64 // bytes that may still be read; negative means any number
	exhausted bool  // left was too little
	err       error // the first error of ctx or r
}

func (s *archiveSource) ReadAt(p []byte, off int64) (int, error) {
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return 0, s.err
	}
	if s.left >= 0 {
		if s.left -= int64(len(p)); s.left < 0 {
			s.left, s.exhausted = 0, true
			return 0, errors.New("directory too large")
		}
	}
	if off < 0 { // a forged offset that archive/zip lets through is the archive's fault, not the reader's
		return 0, zip.ErrFormat
	}
	n, err := s.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return n, err
}

func (s *archiveSource) failure() error { return fmt.Errorf("read code archive: %w", s.err) }
