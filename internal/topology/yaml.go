package topology

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What bounds the work that a file can make; a thousand functions stay well below. The parser takes time in the square of
// a mapping's length, and goes as deep as the file does.
const (
	maxTokens = 100_000
	maxValues = 200_000 // counted where they are used: an alias counts each time
	maxIndent = 100
	maxFlow   = 32   // brackets in brackets
	maxKeys   = 5000 // of one mapping
	maxMerge  = 4    // "<<" in what "<<" names
)

// parse makes the tree of the one document in b, or notes why there is none. It is nil for an empty file too.
func (d *decoder) parse(b []byte) ast.Node {
	start := position{1, 1}
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if len(b) > maxSize {
		d.failAt(start, "", "the file has more than %d bytes", maxSize)
		return nil
	}
	if at, what, ok := unprintable(b); ok {
		d.failAt(at, "", "%s is not allowed here", what)
		return nil
	}
	file, err := d.tree(string(b))
	if syntax := yaml.Error(nil); errors.As(err, &syntax) {
		d.failAt(d.place(syntax.GetToken()), "", "%s", syntax.GetMessage())
		return nil
	} else if err != nil {
		d.failAt(start, "", "%v", err)
		return nil
	}
	if file == nil { // tree has said why
		return nil
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			d.failAt(d.start(doc.Body), "", "a file holds one document; this is the second")
			return nil
		}
		root = doc.Body
	}
	if root == nil {
		return nil
	}
	d.anchors = map[string]ast.Node{}
	ast.Walk(anchorFinder{d}, root)
	return root
}

// tree calls the parser, after a look at what would make it work too hard. A panic of the parser is the file's fault.
func (d *decoder) tree(s string) (_ *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML parser cannot make sense of this file: %v", p)
		}
	}()
	tokens := lexer.Tokenize(s)
	if len(tokens) > maxTokens {
		d.failAt(d.place(tokens[maxTokens]), "", "the file is too long: it has more than %d words and signs", maxTokens)
		return nil, nil
	}
	flow := 0
	var keys keyCounter
	for i, tk := range tokens {
		deep, long := false, false
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
			deep = flow > maxFlow
			keys.open()
		case token.MappingEndType, token.SequenceEndType:
			flow--
			keys.close()
		case token.SequenceEntryType, token.MappingKeyType:
			if deep = flow == 0 && tk.Position.Column > maxIndent; flow == 0 {
				keys.leave(tk.Position.Column)
			}
		case token.MappingValueType:
			column := 0 // within brackets
			if flow == 0 && i > 0 {
				column = tokens[i-1].Position.Column
			}
			deep = column > maxIndent
			long = keys.add(column) > maxKeys
		}
		switch {
		case deep:
			d.failAt(d.place(tk), "", "this is nested too deep")
			return nil, nil
		case long:
			d.failAt(d.place(tk), "", "a mapping has more than %d keys", maxKeys)
			return nil, nil
		}
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are reported with the rest
}

// keyCounter counts the keys of each mapping that is open: by column outside of brackets, by bracket inside.
type keyCounter struct {
	block    []column // those further right are in those further left
	brackets []int
}

type column struct{ at, keys int }

func (c *keyCounter) open()  { c.brackets = append(c.brackets, 0) }
func (c *keyCounter) close() { c.brackets = c.brackets[:max(len(c.brackets)-1, 0)] }

// add counts a key, and tells which of its mapping it is.
func (c *keyCounter) add(at int) int {
	if n := len(c.brackets); n > 0 {
		c.brackets[n-1]++
		return c.brackets[n-1]
	}
	c.leave(at)
	if len(c.block) == 0 || c.block[len(c.block)-1].at < at {
		c.block = append(c.block, column{at: at})
	}
	last := &c.block[len(c.block)-1]
	last.keys++
	return last.keys
}

// leave closes the mappings that begin right of a column.
func (c *keyCounter) leave(at int) {
	for len(c.block) > 0 && c.block[len(c.block)-1].at > at {
		c.block = c.block[:len(c.block)-1]
	}
}

// unprintable finds what has no place in text.
func unprintable(b []byte) (at position, what string, found bool) {
	at = position{1, 1}
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1:
			return at, fmt.Sprintf("the byte %#02x, which is no UTF-8,", b[0]), true
		case r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			return at, fmt.Sprintf("the control character %#02x", r), true
		case r == '\n':
			at.line, at.column = at.line+1, 0
		}
		at.column++
		b = b[size:]
	}
	return at, "", false
}

// anchorFinder collects what aliases can name.
type anchorFinder struct{ d *decoder }

func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		name := a.Name.GetToken().Value
		if f.d.anchors[name] != nil {
			f.d.failAt(f.d.start(a), "", "there is an anchor &%s already", name)
		} else {
			f.d.anchors[name] = a.Value
		}
	}
	return f
}

// spend takes one value from the budget, and is false if there was none.
func (d *decoder) spend(at position, path string) bool {
	d.budget--
	if d.budget == -1 {
		d.failAt(at, path, "the file's aliases expand to more than %d values", maxValues)
	}
	return d.budget >= 0
}

// resolve sees through anchors and aliases. It is nil if there is nothing to see, which it has noted, or if the budget is
// spent.
func (d *decoder) resolve(n ast.Node, path string) ast.Node {
	for {
		if n == nil || !d.spend(d.start(n), path) {
			return nil
		}
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.AliasNode:
			name := x.Value.GetToken().Value
			target := d.anchors[name]
			if target == nil {
				d.failAt(d.start(n), path, "there is no anchor &%s", name)
				return nil
			}
			n = target
		case *ast.TagNode:
			d.failAt(d.start(n), path, "tags such as %s are not used here", x.GetToken().Value)
			return nil
		default:
			return n
		}
	}
}

// entry is a key of a mapping with its value.
type entry struct {
	key   string
	at    position
	value ast.Node
}

// entries lists a mapping in the order of the file, each key once, and then what it merges ("<<").
func (d *decoder) entries(m ast.MapNode, path string) []entry {
	var list, merged []entry
	seen := map[string]position{}
	for it := m.MapRange(); it.Next(); {
		key := it.Key()
		e := entry{key.GetToken().Value, d.place(key.GetToken()), it.Value()}
		if !d.spend(e.at, path) {
			return nil
		}
		switch {
		case key.IsMergeKey():
			from, ok := d.resolve(e.value, path).(ast.MapNode)
			switch {
			case ok && d.merging == maxMerge:
				d.failAt(e.at, path, "<< merges what merges again, more than %d times", maxMerge)
			case ok:
				d.merging++
				merged = append(merged, d.entries(from, path)...)
				d.merging--
			default:
				d.failAt(e.at, path, "<< merges a mapping, such as *base")
			}
		case !isPlainKey(key):
			d.failAt(e.at, path, "a key is plain text")
		case seen[e.key] != position{}:
			d.failAt(e.at, join(path, e.key), "there is a key %s already, in line %d", clip(e.key), seen[e.key].line)
		default:
			seen[e.key] = e.at
			list = append(list, e)
		}
	}
	for _, e := range merged {
		if seen[e.key] == (position{}) {
			seen[e.key] = e.at
			list = append(list, e)
		}
	}
	return list
}

func isPlainKey(key ast.MapKeyNode) bool {
	switch key.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return true
	}
	return false
}

// start is where a value begins.
func (d *decoder) start(n ast.Node) position {
	switch x := n.(type) {
	case *ast.MappingNode:
		if !x.IsFlowStyle && len(x.Values) > 0 {
			return d.place(x.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return d.place(x.Key.GetToken())
	case nil:
		return position{1, 1}
	}
	return d.place(n.GetToken())
}

func (d *decoder) place(tk *token.Token) position {
	if tk == nil || tk.Position == nil {
		return position{1, 1}
	}
	return position{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
}

// kind is what people call a value.
func kind(n ast.Node) string {
	switch x := n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + x.GetToken().Value
	case *ast.InfinityNode, *ast.NanNode:
		return "no finite number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.NullNode:
		return "nothing"
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	return "something else"
}

// clip quotes text of any length.
func clip(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
