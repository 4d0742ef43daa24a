package wire

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// parseScalar sets a member from its text in a form, path, query or header.
func parseScalar(m *member, v reflect.Value, s string) error {
	switch m.kind {
	case textKind:
		scalar(v).SetString(s)
	case boolKind:
		switch strings.ToLower(s) {
		case "true":
			scalar(v).SetBool(true)
		case "false":
			scalar(v).SetBool(false)
		default:
			return fmt.Errorf("%q is not a boolean", s)
		}
	case intKind:
		to := scalar(v)
		n, err := strconv.ParseInt(s, 10, to.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not an integer of %d bits", s, to.Type().Bits())
		}
		to.SetInt(n)
	case floatKind:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", s)
		}
		scalar(v).SetFloat(n)
	case timeKind:
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return fmt.Errorf("%q is not a time", s)
		}
		v.Set(reflect.ValueOf(t))
	case blobKind:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return fmt.Errorf("a blob is not in base64")
		}
		v.SetBytes(b)
	default:
		return fmt.Errorf("%q stands where several values belong", s)
	}
	return nil
}

// formatScalar is a member's text in XML or a header.
func formatScalar(m *member, v reflect.Value, times string) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch m.kind {
	case boolKind:
		return strconv.FormatBool(v.Bool())
	case intKind:
		return strconv.FormatInt(v.Int(), 10)
	case floatKind:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case timeKind:
		return v.Interface().(time.Time).UTC().Format(times)
	case blobKind:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	default:
		return v.String()
	}
}
