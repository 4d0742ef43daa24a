// Package paging cuts lists into pages, and writes and reads the tokens between them. A token names its list and the key of
// the last item that was shown. So it stays good whatever is made or deleted meanwhile, and one that the list has not given
// is known for that.
package paging

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
)

// longest is how much of a key a token has, in bytes: with it no token is longer than the 320 characters that IAM's models
// allow.
const longest = 200

// Page cuts a list, which is ordered by its items' keys, no two of which are the same. It returns the items behind what the
// token says, most at most, and the next page's token, which is empty behind the last one. An empty token means the
// beginning, and a most of zero all that is left. If the token is none of this list's, known is false.
func Page[T any](list string, all []T, key func(T) string, token string, most int) (page []T, next string, known bool) {
	if token != "" {
		m, ok := read(list, token)
		if !ok {
			return nil, "", false
		}
		all = all[behind(m, all, key):]
	}
	if most == 0 || len(all) <= most {
		return all, "", true
	}
	return all[:most], write(list, key(all[most-1])), true
}

// mark is what a token says of the last item.
type mark struct {
	key    string // or its beginning
	digest string // of the whole key, if that is only its beginning
}

// behind is where a list goes on: behind the item, or, if it is gone, before the first one that can be behind it.
func behind[T any](m mark, all []T, key func(T) string) int {
	at, exact := slices.BinarySearchFunc(all, m.key, func(v T, key2 string) int { return strings.Compare(key(v), key2) })
	if m.digest == "" {
		if exact {
			at++
		}
		return at
	}
	for i := at; i < len(all) && strings.HasPrefix(key(all[i]), m.key); i++ {
		if digest(key(all[i])) == m.digest {
			return i + 1
		}
	}
	return at
}

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return string(sum[:16])
}

// What is between a list's name and its key, as a whole or in part.
const whole, part = "=", "~"

func write(list, key string) string {
	text := list + whole + key
	if len(key) > longest {
		sum := digest(key)
		text = list + part + sum + key[:longest-len(sum)]
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func read(list, token string) (mark, bool) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	rest, ok := strings.CutPrefix(string(text), list)
	if err != nil || !ok {
		return mark{}, false
	}
	if key, ok := strings.CutPrefix(rest, whole); ok {
		return mark{key: key}, true
	}
	rest, ok = strings.CutPrefix(rest, part)
	if size := len(digest("")); ok && len(rest) > size {
		return mark{key: rest[size:], digest: rest[:size]}, true
	}
	return mark{}, false
}
