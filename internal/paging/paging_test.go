package paging

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func itself(s string) string { return s }

// pages follows the tokens, and has change make another list of what is left after each page.
func pages(t *testing.T, all []string, most int, change func([]string) []string) string {
	t.Helper()
	var texts []string
	for token := ""; ; {
		page, next, known := Page("Letters", all, itself, token, most)
		if !known {
			t.Fatalf("%q is not known", token)
		}
		texts = append(texts, strings.Join(page, ""))
		if next == "" {
			return strings.Join(texts, " ")
		}
		if len(next) > 320 {
			t.Errorf("a token of %d characters", len(next))
		}
		token, all = next, change(all)
	}
}

func TestPage(t *testing.T) {
	letters := strings.Split("bcdefghijkl", "")
	same := func(all []string) []string { return all }
	for _, c := range []struct {
		most   int
		change func([]string) []string
		want   string
	}{
		{0, same, "bcdefghijkl"},
		{11, same, "bcdefghijkl"},
		{5, same, "bcdef ghijk l"},
		{5, func(all []string) []string { return all[5:] }, "bcdef ghijk l"}, // what was shown is gone
		{5, func(all []string) []string { return all[:6] }, "bcdef g"},
		{5, func([]string) []string { return nil }, "bcdef "},
		{5, func(all []string) []string { return slices.Concat([]string{"a"}, all) }, "bcdef ghijk l"},
	} {
		if got := pages(t, letters, c.most, c.change); got != c.want {
			t.Errorf("%d at once: %q, want %q", c.most, got, c.want)
		}
	}
}

// Keys that a token has not room for are told apart all the same, while they are there.
func TestLongKeys(t *testing.T) {
	var all []string
	for i := range 9 {
		all = append(all, strings.Repeat("k", 600)+fmt.Sprint(i))
	}
	short := func(text string) string { return strings.ReplaceAll(text, strings.Repeat("k", 600), "") }
	if got := short(pages(t, all, 4, func(all []string) []string { return all })); got != "0123 4567 8" {
		t.Error(got)
	}
	if got := short(pages(t, all, 4, func(all []string) []string { return all[4:] })); got != "0123 4567 8" {
		t.Errorf("gone: %s", got)
	}
}

func TestTokensOfOthers(t *testing.T) {
	_, other, _ := Page("Digits", []string{"1", "2"}, itself, "", 1)
	for _, token := range []string{
		"junk", "?", "MTIgeA", "5", other, "Letters", base64.RawURLEncoding.EncodeToString([]byte("Letters")),
		base64.RawURLEncoding.EncodeToString([]byte("Letters~short")),
		base64.StdEncoding.EncodeToString([]byte("LettersLetters=ab")) + "=",
	} {
		for _, all := range [][]string{nil, {"a", "b"}} {
			if page, next, known := Page("Letters", all, itself, token, 1); known || page != nil || next != "" {
				t.Errorf("%q: %v, %q", token, page, next)
			}
		}
	}
}

// FuzzPage holds that any token is refused or leads to a part of the list's end.
func FuzzPage(f *testing.F) {
	f.Add("junk")
	f.Add(write("Letters", "b"))
	f.Add(write("Letters", strings.Repeat("b", 300)))
	f.Fuzz(func(t *testing.T, token string) {
		all := []string{"a", "b", strings.Repeat("b", 300), strings.Repeat("b", 301), "c"}
		page, _, known := Page("Letters", all, itself, token, 0)
		if !known && page != nil || known && !slices.Equal(page, all[len(all)-len(page):]) {
			t.Errorf("%q: %v", token, page)
		}
	})
}
