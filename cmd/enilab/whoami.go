package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"enilab/internal/program"

	"github.com/spf13/cobra"
)

// whoamiCommand is the service in customers' VPCs and on the internet that answers with the client address that it sees.
func whoamiCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use: "whoami", Short: "Serve HTTP and answer with the client address seen", Args: noArgs,
		Long: "Serve HTTP and answer every request with the client address that the server sees, as JSON.\nThe lab runs it inside its VPCs; by itself it listens on the loopback interface.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp4", listen)
			if errors.As(err, new(*net.AddrError)) {
				return usage("--listen %q: give an address and a port, such as 127.0.0.1:8080: %w", listen, err)
			}
			if err != nil {
				return fmt.Errorf("whoami: %w; --listen names another address and port", err)
			}
			server := &http.Server{
				Handler: http.HandlerFunc(whoami), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
			}
			defer context.AfterFunc(cmd.Context(), func() { server.Close() })() //nolint:errcheck // the program ends
			return fmt.Errorf("whoami: %w", server.Serve(l))
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address and port")
	return cmd
}

func whoami(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	server, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	_ = json.NewEncoder(w).Encode(map[string]string{"client": r.RemoteAddr, "server": server.String()})
}

// whoamiArgv is how the lab starts it: as the program that the lab is, whatever that is called and wherever it lies.
func whoamiArgv(listen string) []string {
	return []string{program.Path, "whoami", "--listen", listen}
}
