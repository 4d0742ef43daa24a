package wire

import (
	"net/url"
	"slices"
	"strings"
)

// pathTree finds the operation of a method and a path. A slash at the end is not told apart: the models of Lambda are not
// of one mind about it, nor are its clients.
type pathTree struct {
	literals map[string]*pathTree
	member   *pathTree         // below a segment that is a member
	routes   map[string]*route // by method
	queried  []*route          // those whose pattern ends in a query that has to be there, such as "?find=LayerVersion"
}

func (t *pathTree) add(r *route) {
	path, query, _ := strings.Cut(r.URI, "?")
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		t = t.below(segment)
	}
	if query != "" {
		t.queried = append(t.queried, r)
		return
	}
	if t.routes == nil {
		t.routes = map[string]*route{}
	}
	t.routes[r.Method] = r
}

// below is the tree behind a segment of a pattern, made as needed.
func (t *pathTree) below(segment string) *pathTree {
	if strings.HasPrefix(segment, "{") {
		if t.member == nil {
			t.member = new(pathTree)
		}
		return t.member
	}
	if t.literals[segment] == nil {
		if t.literals == nil {
			t.literals = map[string]*pathTree{}
		}
		t.literals[segment] = new(pathTree)
	}
	return t.literals[segment]
}

// find returns the operation, or nil. The path and the query are as they came, with their percent signs.
func (t *pathTree) find(method, path, query string) *route {
	path = strings.Trim(path, "/")
	for more := true; more; {
		var segment string
		segment, path, more = strings.Cut(path, "/")
		switch next := t.literals[segment]; {
		case next != nil:
			t = next
		case t.member != nil && segment != "":
			t = t.member
		default:
			return nil
		}
	}
	for _, r := range t.queried {
		_, has, _ := strings.Cut(r.URI, "?")
		if r.Method == method && slices.Contains(strings.Split(query, "&"), has) {
			return r
		}
	}
	return t.routes[method]
}

// pathMembers calls set with each member of the pattern and its value in the path, which find has matched.
func pathMembers(pattern, path string, set func(name, value string) error) error {
	pattern, path = strings.Trim(pattern, "/"), strings.Trim(path, "/")
	for pattern != "" {
		var name, value string
		name, pattern, _ = strings.Cut(pattern, "/")
		value, path, _ = strings.Cut(path, "/")
		if !strings.HasPrefix(name, "{") {
			continue
		}
		value, err := url.PathUnescape(value)
		if err == nil {
			err = set(strings.Trim(name, "{+}"), value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
