package wire

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// constraints are what a model says that a value must be, as the tags of a generated field have it.
type constraints struct {
	low, high   string // of a number; empty means any
	short, long string // of the length of a text, list or map; empty means any
	pattern     string
	match       func() func(string) bool // nil without a pattern
	enum        []string
	sensitive   bool         // no message shows the value
	each, keys  *constraints // of a list's elements or a map's values, and of a map's keys
}

// constraintsOf reads the tags that begin with a prefix; nil if there are none.
func constraintsOf(tag reflect.StructTag, prefix string) *constraints {
	c := &constraints{pattern: tag.Get(prefix + "pattern"), sensitive: tag.Get(prefix+"sensitive") != ""}
	c.low, c.high, _ = strings.Cut(tag.Get(prefix+"range"), ",")
	c.short, c.long, _ = strings.Cut(tag.Get(prefix+"length"), ",")
	if enum := tag.Get(prefix + "enum"); enum != "" {
		c.enum = strings.Split(enum, ",")
	}
	if c.pattern != "" {
		c.match = sync.OnceValue(func() func(string) bool { // else each start of the program compiled them all
			match, err := CompilePattern(c.pattern)
			if err != nil {
				panic(fmt.Sprintf("wire: %v", err)) // the generator has compiled it
			}
			return match
		})
	}
	if prefix == "" {
		c.each, c.keys = constraintsOf(tag, "each_"), constraintsOf(tag, "key_")
	}
	if reflect.DeepEqual(*c, constraints{}) {
		return nil
	}
	return c
}

// The sentences of a constraint that a value does not satisfy, as AWS's services answer them. Recorded from Lambda by
// LocalStack: tests/aws/services/lambda_/test_lambda_api.snapshot.json.
const (
	mustNotBeNull = "Member must not be null"
	mustBeLonger  = "Member must have length greater than or equal to %s"
	mustBeShorter = "Member must have length less than or equal to %s"
	mustBeGreater = "Member must have value greater than or equal to %s"
	mustBeLess    = "Member must have value less than or equal to %s"
	mustMatch     = "Member must satisfy regular expression pattern: %s"
	mustBeOneOf   = "Member must satisfy enum value set: [%s]"
)

// all are all constraints of a value itself, in the order in which AWS tells them of a list's elements.
func (c *constraints) all() (list []string) {
	for _, one := range []struct{ sentence, value string }{
		{mustBeLess, c.high}, {mustBeGreater, c.low}, {mustBeShorter, c.long}, {mustBeLonger, c.short}, {mustMatch, c.pattern}, {mustBeOneOf, strings.Join(c.enum, ", ")},
	} {
		if one.value != "" {
			list = append(list, fmt.Sprintf(one.sentence, one.value))
		}
	}
	return list
}

// broken are the constraints that a text, number, list or map does not satisfy itself.
func (c *constraints) broken(v reflect.Value) (list []string) {
	say := func(sentence, value string) { list = append(list, fmt.Sprintf(sentence, value)) }
	length := -1
	switch v.Kind() {
	case reflect.String:
		length = utf8.RuneCountInString(v.String())
	case reflect.Slice, reflect.Map:
		length = v.Len()
	case reflect.Int32, reflect.Int64:
		c.brokenRange(float64(v.Int()), say)
	case reflect.Float64:
		c.brokenRange(v.Float(), say)
	}
	if length >= 0 {
		if n, err := strconv.Atoi(c.long); err == nil && length > n {
			say(mustBeShorter, c.long)
		}
		if n, err := strconv.Atoi(c.short); err == nil && length < n {
			say(mustBeLonger, c.short)
		}
	}
	if v.Kind() == reflect.String {
		if c.match != nil && !c.match()(v.String()) {
			say(mustMatch, c.pattern)
		}
	}
	if c.enum != nil && !c.isOneOf(v) {
		say(mustBeOneOf, strings.Join(c.enum, ", "))
	}
	return list
}

// isOneOf tells whether a text is of the enum, or all texts of a list are.
func (c *constraints) isOneOf(v reflect.Value) bool {
	if v.Kind() != reflect.Slice {
		return slices.Contains(c.enum, v.String())
	}
	for i := range v.Len() {
		if !slices.Contains(c.enum, v.Index(i).String()) {
			return false
		}
	}
	return true
}

func (c *constraints) brokenRange(n float64, say func(sentence, value string)) {
	if high, err := strconv.ParseFloat(c.high, 64); err == nil && n > high {
		say(mustBeLess, c.high)
	}
	if low, err := strconv.ParseFloat(c.low, 64); err == nil && n < low {
		say(mustBeGreater, c.low)
	}
}

// check tells a member's violations. Of a list whose elements break a constraint, or are null, and of such a map, AWS tells
// all constraints of the elements.
func (c *constraints) check(v reflect.Value, null bool, tell func(sentence string)) {
	for _, sentence := range c.broken(v) {
		tell(sentence)
	}
	whole := func(of string, element *constraints) {
		if element == nil {
			element = &constraints{}
		}
		tell(of + " must satisfy constraint: [" + strings.Join(append(element.all(), mustNotBeNull), ", ") + "]")
	}
	switch v.Kind() {
	case reflect.Slice:
		bad := null
		for i := 0; i < v.Len() && !bad && c.each != nil; i++ {
			bad = len(c.each.broken(v.Index(i))) > 0
		}
		if bad {
			whole("Member", c.each)
		}
	case reflect.Map:
		keys, values := false, null
		for at := v.MapRange(); at.Next(); {
			keys = keys || c.keys != nil && len(c.keys.broken(at.Key())) > 0
			values = values || c.each != nil && len(c.each.broken(at.Value())) > 0
		}
		if keys {
			tell("Map keys must satisfy constraint: [" + strings.Join(c.keys.all(), ", ") + "]")
		}
		if values {
			whole("Map value", c.each)
		}
	}
}

// violations lists all that a request's members break, in the sentences of AWS's services.
func (p *plan) violations(v reflect.Value, path string, nulls nulls) (list []string) {
	if !p.constrained && len(nulls) == 0 {
		return nil
	}
	for i := range p.members {
		m, field := &p.members[i], v.Field(i)
		at := path + memberPath(m)
		if absent(field) {
			if m.required {
				list = append(list, "Value null at '"+at+"' failed to satisfy constraint: "+mustNotBeNull)
			}
			continue
		}
		if null := nulls[at]; null || m.constraints != nil {
			c := cmp.Or(m.constraints, &constraints{})
			c.check(reflect.Indirect(field), null, func(sentence string) {
				list = append(list, "Value "+c.shown(reflect.Indirect(field))+"at '"+at+"' failed to satisfy constraint: "+sentence)
			})
		}
		switch {
		case m.kind == structKind:
			list = append(list, m.plan.violations(field.Elem(), at+".", nulls)...)
		case m.kind == listKind && m.element.kind == structKind:
			for j := range field.Len() {
				list = append(list, m.element.plan.violations(field.Index(j), fmt.Sprintf("%s.%d.member.", at, j+1), nulls)...)
			}
		}
	}
	return list
}

// maxShown is how much of a value a message shows, in bytes.
const maxShown = 2048

// shown is a value as messages have it, followed by a space: in quotes, or not at all.
func (c *constraints) shown(v reflect.Value) string {
	if c.sensitive {
		return ""
	}
	return "'" + shortened(javaText(v)) + "' "
}

// shortened is a text that a client sent as messages show it.
func shortened(text string) string {
	if len(text) > maxShown {
		return strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// javaText is what Java's toString makes of a value, which is what AWS's messages show.
func javaText(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice:
		items := make([]string, min(v.Len(), maxShown))
		for i := range items {
			items[i] = javaText(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var items []string
		for at := v.MapRange(); at.Next(); {
			items = append(items, at.Key().String()+"="+javaText(at.Value()))
		}
		slices.Sort(items)
		return "{" + strings.Join(items, ", ") + "}"
	case reflect.Float64:
		text := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	case reflect.String:
		return v.String()
	}
	return fmt.Sprint(v.Interface())
}

// validationError puts violations into AWS's one message.
func validationError(list []string) string {
	errors := "errors"
	if len(list) == 1 {
		errors = "error"
	}
	return fmt.Sprintf("%d validation %s detected: %s", len(list), errors, strings.Join(list, "; "))
}
