package topology

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// The types that the decoder knows besides Go's own.
var (
	durationType = reflect.TypeFor[time.Duration]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	addrType     = reflect.TypeFor[netip.Addr]()
	portsType    = reflect.TypeFor[Ports]()
)

func isFromText(t reflect.Type) bool {
	return t == durationType || t == prefixType || t == addrType || reflect.PointerTo(t).Implements(reflect.TypeFor[fromText]())
}

// textOf is the text of a scalar that may be written for a value of type t.
func textOf(n ast.Node, t reflect.Type, tag reflect.StructTag) (text string, ok bool) {
	if tag.Get("single") != "" && t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	anyScalar := t.Kind() == reflect.String && tag.Get("scalar") == "any"
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, t.Kind() == reflect.String || isFromText(t)
	case *ast.LiteralNode:
		return x.Value.Value, t.Kind() == reflect.String || isFromText(t)
	case *ast.IntegerNode:
		switch {
		case anyScalar:
			return x.GetToken().Value, true // as it is written: an account may begin with 0
		case t == durationType, t == portsType, isInteger(t), t.Kind() == reflect.Float64:
			return fmt.Sprint(x.Value), true
		}
	case *ast.FloatNode:
		switch {
		case anyScalar:
			return x.GetToken().Value, true
		case t == durationType, t.Kind() == reflect.Float64:
			return strconv.FormatFloat(x.Value, 'f', -1, 64), true
		}
	case *ast.BoolNode:
		return x.GetToken().Value, anyScalar || t.Kind() == reflect.Bool
	}
	return "", false
}

func isInteger(t reflect.Type) bool {
	return t != durationType && (t.Kind() == reflect.Int || t.Kind() == reflect.Uint16)
}

// setText sets a value as text has it.
func setText(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case fromText:
		return p.fromText(text)
	case *netip.Prefix:
		return prefixFromText(text, p)
	case *netip.Addr:
		return addrFromText(text, p)
	case *time.Duration:
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			text += "s"
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s is not a duration such as 3s, 500ms, 1h30m", clip(text))
		}
		*p = d
	case *string:
		*p = text
	case *bool:
		*p = strings.EqualFold(text, "true")
	case *int:
		n, err := strconv.Atoi(text)
		*p = n
		return outOfRange(text, err)
	case *uint16:
		n, err := strconv.ParseUint(text, 10, 16)
		*p = uint16(n)
		return outOfRange(text, err)
	case *float64:
		n, err := strconv.ParseFloat(text, 64)
		*p = n
		return outOfRange(text, err)
	}
	return nil
}

func outOfRange(text string, err error) error {
	if err != nil {
		return fmt.Errorf("%.40s is out of range", text)
	}
	return nil
}

// check holds one value, not a list, against its field's tag.
func (d *decoder) check(v reflect.Value, tag reflect.StructTag) error {
	switch x := v.Interface().(type) {
	case string:
		if values := tag.Get("enum"); values != "" {
			known := strings.Split(values, ",")
			if !slices.Contains(known, x) {
				return fmt.Errorf("there is no %s%s", clip(x), suggest(x, known))
			}
		}
		if pattern, keys := tag.Get("pattern"), tag.Get("keys"); pattern != "" && keys == "" {
			if !d.pattern(pattern).MatchString(x) {
				return fmt.Errorf("%s: %s", clip(x), tag.Get("say"))
			}
		}
		if most, err := strconv.Atoi(tag.Get("max")); err == nil && len(x) > most {
			return fmt.Errorf("it has %d bytes; %d are allowed", len(x), most)
		}
		if strings.ContainsRune(x, 0) {
			return errors.New("text has no NUL in it")
		}
	case time.Duration:
		return within(x, tag, time.ParseDuration)
	case int:
		return within(x, tag, strconv.Atoi)
	case uint16:
		return within(int(x), tag, strconv.Atoi)
	case float64:
		return within(x, tag, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
	}
	return nil
}

// pattern compiles a pattern once for the file.
func (d *decoder) pattern(p string) *regexp.Regexp {
	if d.patterns[p] == nil {
		d.patterns[p] = regexp.MustCompile(p)
	}
	return d.patterns[p]
}

func within[T cmp.Ordered](x T, tag reflect.StructTag, parse func(string) (T, error)) error {
	least, errLeast := parse(tag.Get("min"))
	most, errMost := parse(tag.Get("max"))
	switch {
	case errLeast == nil && x < least && errMost == nil, errMost == nil && x > most:
		return fmt.Errorf("%v is out of range: it must be %s to %s", x, tag.Get("min"), tag.Get("max"))
	case errLeast == nil && x < least:
		return fmt.Errorf("%v is out of range: it must be at least %s", x, tag.Get("min"))
	}
	return nil
}

func checkItems(n int, tag reflect.StructTag) error {
	least, _ := strconv.Atoi(tag.Get("minItems"))
	most, err := strconv.Atoi(tag.Get("maxItems"))
	switch {
	case n < least:
		return fmt.Errorf("the list has %d entries; it needs %d", n, least)
	case err == nil && n > most:
		return fmt.Errorf("the list has %d entries; %d are allowed", n, most)
	}
	return nil
}

// expectation says what belongs where something else was found.
func expectation(t reflect.Type, tag reflect.StructTag) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return expectation(t.Elem(), tag)
	case t == durationType:
		return "a duration such as 3s"
	case t == prefixType:
		return "an IPv4 network such as 10.0.0.0/16"
	case t == addrType:
		return "an IPv4 address such as 10.0.1.10"
	case t == portsType:
		return "a port or a range such as 8000-8010"
	case t == reflect.TypeFor[Subnet]():
		return "an IPv4 network such as 10.0.1.0/24, or a mapping"
	case t == reflect.TypeFor[Rule]():
		return `a line such as "tcp 6379 from sg-app", or a mapping`
	case t == reflect.TypeFor[Code](), t == reflect.TypeFor[Layer]():
		return "a key or a path"
	case isKeyed(t):
		return "a mapping"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Uint16:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return "a list, such as [a, b]"
		}
		return "a list"
	case reflect.Struct, reflect.Map:
		return "a mapping"
	}
	if enum := tag.Get("enum"); enum != "" {
		return "one of " + strings.ReplaceAll(enum, ",", ", ")
	}
	return "text"
}
