package netlab

import (
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	for _, size := range []int{1, 7, tailSize - 1, tailSize, tailSize + 1, 10 * tailSize} {
		var all strings.Builder
		var end tail
		for i := range 3*tailSize/size + 3 {
			chunk := strings.Repeat(string(rune('a'+i%26)), size)
			all.WriteString(chunk)
			if n, err := end.Write([]byte(chunk)); n != size || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			want := all.String()
			if want = want[max(0, len(want)-tailSize):]; end.String() != want {
				t.Fatalf("of %d bytes in pieces of %d: %d bytes, not the last %d", all.Len(), size, len(end.kept), len(want))
			}
		}
		if cap(end.kept) > 4*tailSize {
			t.Errorf("in pieces of %d it holds %d bytes", size, cap(end.kept))
		}
	}
}
