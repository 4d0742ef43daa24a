package sandbox

import "testing"

func TestParseSockstat(t *testing.T) {
	text := "sockets: used 13\nTCP: inuse 1 orphan 2 tw 2 alloc 3 mem 41\nUDP: inuse 0 mem 7\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 5\n"
	if n, err := parseSockstat(text); n != 48 || err != nil {
		t.Errorf("%d pages, %v", n, err)
	}
	if _, err := parseSockstat("TCP: mem much\n"); err == nil {
		t.Error("no error for what is no number")
	}
}
