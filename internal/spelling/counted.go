package spelling

import "fmt"

// Counted is a number with its noun, which ends as the number has it: "1 address", "2 addresses".
func Counted(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case noun[len(noun)-1] == 's':
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
