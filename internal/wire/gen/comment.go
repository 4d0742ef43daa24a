package main

import (
	"bytes"
	"html"
	"regexp"
	"strings"
)

var (
	element   = regexp.MustCompile(`(?s)<fullname>.*?</fullname>|<[^>]*>`)
	fullStops = regexp.MustCompile(`\. |\.$|:$`)
)

// sentence makes a comment of the first sentence of a documentation in HTML; none if there is no documentation.
func sentence(name, documentation string) string {
	text := firstSentence(documentation)
	if text == "" {
		return ""
	}
	return name + ": " + text + "."
}

// firstSentence is the first sentence of a documentation in HTML, without its full stop.
func firstSentence(documentation string) string {
	text := strings.Join(strings.Fields(html.UnescapeString(element.ReplaceAllString(documentation, " "))), " ")
	text = strings.NewReplacer(" .", ".", " ,", ",", "( ", "(", " )", ")").Replace(text)
	if at := fullStops.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	return text
}

// writeComment breaks a comment into lines of at most 120 columns.
func writeComment(b *bytes.Buffer, text string) {
	line := "//"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 120 {
			b.WriteString(line + "\n")
			line = "//"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
}
