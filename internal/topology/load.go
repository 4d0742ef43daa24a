package topology

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Suffix is how the name of a topology file ends.
const Suffix = ".lab.yml"

// maxSize bounds a file. A thousand functions take a tenth of it.
const maxSize = 1 << 20

// ErrSeveral is met where there is more than one topology.
var ErrSeveral = errors.New("several topologies")

// Find names the only topology file of a directory. Without one the error is an [fs.ErrNotExist], and with more an [ErrSeveral].
func Find(dir string) (string, error) {
	paths, err := List(dir)
	switch {
	case err != nil:
		return "", err
	case len(paths) == 0:
		return "", fmt.Errorf("no *%s in %s: %w", Suffix, dir, fs.ErrNotExist)
	case len(paths) == 1:
		return paths[0], nil
	}
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return "", fmt.Errorf("%s has %w, name one: %s", dir, ErrSeveral, strings.Join(paths, ", "))
}

// List names the topology files of a directory, in the order of their names.
func List(dir string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), Suffix) && !e.IsDir() {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

// Read reads a topology from a stream, such as standard input. Messages call it name; its relative paths start from
// name's directory. The Region is that of [ParseIn].
func Read(region, name string, r io.Reader) (*Topology, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("topology: read %s: %w", name, err)
	}
	return ParseIn(region, name, b)
}

// Parse reads a topology from memory. The error is an [Errors] with everything that is wrong.
func Parse(name string, b []byte) (*Topology, error) { return ParseIn("", name, b) }

// ParseIn is Parse for a lab of a Region, which is the topology's if the file names none.
func ParseIn(region, name string, b []byte) (*Topology, error) {
	d := &decoder{file: name, where: map[string]position{}, patterns: map[string]*regexp.Regexp{}, budget: maxValues}
	t := &Topology{file: name, dir: filepath.Dir(name), where: d.where}
	if root := d.parse(b); root != nil {
		d.document(t, root)
	} else {
		defaults(reflect.ValueOf(t).Elem(), nil)
	}
	if region != "" && !t.NamesRegion() {
		t.Region = region
	}
	c := newChecker(t, d.errs)
	c.check()
	if err := c.errs.OrNil(); err != nil {
		return nil, err
	}
	t.complete()
	return t, nil
}

// IsRegion tells whether a name is one that AWS's own API models take for a Region's.
func IsRegion(name string) bool {
	field, _ := reflect.TypeFor[Topology]().FieldByName("Region")
	return regexp.MustCompile(field.Tag.Get("pattern")).MatchString(name)
}

// NamesRegion tells whether the file says which Region the lab is in.
func (t *Topology) NamesRegion() bool { _, ok := t.where["region"]; return ok }

// complete fills in the defaults that depend on other values, and makes paths independent of the file's place.
func (t *Topology) complete() {
	if t.Store != "" {
		t.Store = t.resolve(t.Store)
	}
	for i := range t.VPCs {
		for j := range t.VPCs[i].Subnets {
			if s := &t.VPCs[i].Subnets[j]; s.AZ == "" {
				s.AZ = t.Region + "a"
			}
		}
	}
	for i := range t.Layers {
		if c := &t.Layers[i].Code; c.Path != "" {
			c.Path = t.resolve(c.Path)
		}
	}
	needed := false
	for i := range t.Functions {
		f := &t.Functions[i]
		if f.Code.Path != "" {
			f.Code.Path = t.resolve(f.Code.Path)
		}
		if f.Role == "" {
			f.Role, needed = DefaultRole, true
		}
	}
	for _, r := range t.Roles {
		needed = needed && r.Name != DefaultRole
	}
	if needed {
		t.Roles = append(t.Roles, defaultRole())
	}
}

func (t *Topology) resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(t.dir, path)
}

// CheckFiles looks for the functions' code and the layers' files: that they are there, and of the right kind. Without a Store,
// what is in the function store is not looked for. The error is an [Errors].
func (t *Topology) CheckFiles() error {
	c := newChecker(t, nil)
	mayBring := map[string]bool{} // the layers that bring a bootstrap, as far as one can see from outside
	for _, l := range t.Layers {
		dir := c.place(l.Code, pathOf("layers", l.Name))
		mayBring[l.Name] = dir == "" || bringsBootstrap(dir)
	}
	for _, f := range t.Functions {
		at := pathOf("functions", f.Name, "code")
		dir := c.place(f.Code, at)
		if dir != "" && f.BringsRuntime() && !bringsBootstrap(dir) && !slices.ContainsFunc(f.Layers, func(l string) bool { return mayBring[l] }) {
			c.fail(at, "the directory %s has no executable bootstrap", dir)
		}
	}
	return c.errs.OrNil()
}

// place checks that files are where they should be, and returns that if it is a directory.
func (c *checker) place(code Code, at string) (dir string) {
	path := code.Path
	if code.Key != "" {
		if c.Store == "" {
			return ""
		}
		path = filepath.Join(c.Store, code.Key)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && code.Key != "":
		c.fail(at, "no %s in the function store %s; 'make build' puts the examples into bin/functions", code.Key, c.Store)
	case errors.Is(err, fs.ErrNotExist):
		c.fail(at, "there is no %s", path)
	case err != nil:
		c.fail(at, "%v", err)
	case info.IsDir() && code.Key != "":
		c.fail(at, "%s is a directory; the function store holds archives", path)
	case info.IsDir():
		return path
	case !info.Mode().IsRegular():
		c.fail(at, "%s is neither a file nor a directory", path)
	}
	return ""
}

func bringsBootstrap(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, "bootstrap"))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
