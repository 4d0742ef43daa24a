package lambda_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"enilab/sandbox"
)

// serveArg makes this test program a customer's server.
const serveArg = "__serve"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case sandbox.InitArg:
			sandbox.Init()
		case serveArg:
			fmt.Fprintln(os.Stderr, serve(os.Args[2]))
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// Ports of the servers. Security groups let the first three through.
const (
	redisPort     = 6379
	whoamiPort    = 80
	datagramPort  = 5353
	closedPort    = 9999 // TCP
	closedUDPPort = 5354
)

// serve answers under a name on every port: as Redis would to GET, by HTTP with the name and the client's address, and by
// datagram. The port that the lab waits for opens last.
func serve(name string) error {
	for _, port := range []int{datagramPort, closedUDPPort} {
		c, err := net.ListenPacket("udp4", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		go echo(c, name)
	}
	http80, err := net.Listen("tcp4", fmt.Sprintf(":%d", whoamiPort))
	if err != nil {
		return err
	}
	go http.Serve(http80, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"client": name + " " + r.RemoteAddr})
	}))
	closed, err := net.Listen("tcp4", fmt.Sprintf(":%d", closedPort))
	if err != nil {
		return err
	}
	go accept(closed, func(net.Conn) {})
	redis, err := net.Listen("tcp4", fmt.Sprintf(":%d", redisPort))
	if err != nil {
		return err
	}
	return accept(redis, func(c net.Conn) { answerGET(c, name) })
}

func echo(c net.PacketConn, name string) {
	b := make([]byte, 100)
	for {
		_, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		c.WriteTo([]byte(name), from)
	}
}

func accept(l net.Listener, handle func(net.Conn)) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}

// answerGET reads "*2 $3 GET $n key" and answers with the name, whatever the key.
func answerGET(c net.Conn, name string) {
	r := bufio.NewReader(c)
	for range 5 {
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasSuffix(line, "\r\n") {
			return
		}
	}
	fmt.Fprintf(c, "$%d\r\n%s\r\n", len(name), name)
	io.Copy(io.Discard, r) // the client closes
}
