// Package topology reads the declaration of a lab, a *.lab.yml file: customers' VPCs with their servers, roles, functions,
// and the lab's own settings.
//
// The types of this package are the format. Their struct tags say what a key is called, what it means, what it may be and
// what stands for it if it is left out; the decoder and the JSON Schema both follow them. A slice whose elements have a
// key field is a mapping in the file, and keeps the file's order. Tags:
//
//	yaml:"name,required"   the key; ",key" alone marks the field that holds the element's own key
//	doc:"…"                what it means
//	default:"…"            what is meant if the key is absent
//	min:"…" max:"…"        bounds of a number, a duration, or the length of text
//	minItems:"…" maxItems  bounds of a list's length
//	enum:"a,b"             the only values
//	pattern:"…" say:"…"    a regular expression for text, and the same for people
//	keys:"…"               a pattern for the keys of a map
//	scalar:"any"           numbers and booleans count as text
//	single:"ok"            one element may stand for a list of one
//
// Nothing here touches the system, except that Load reads the file and CheckFiles looks for the functions' code.
package topology
