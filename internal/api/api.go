// Package api maps the operations of the AWS wire to the lab's control planes.
package api

import (
	"log/slog"

	"enilab/internal/ec2"
	"enilab/internal/iam"
	"enilab/internal/lambda"
	"enilab/internal/wire"
)

// Config is who answers.
type Config struct {
	Lambda  *lambda.Service
	EC2     *ec2.Service
	IAM     *iam.Service
	Account string
	Region  string
	Log     *slog.Logger

	// Verify has signatures checked. The lab has no users: an access key's secret is its own text.
	Verify bool
}

// New makes a server that knows all operations of the lab.
func New(c Config) *wire.Server {
	config := wire.Config{Region: c.Region, Account: c.Account, Log: c.Log}
	if c.Verify {
		config.Secret = func(accessKey string) (string, bool) { return accessKey, true }
	}
	s := wire.New(config)
	registerLambda(s, c)
	registerEC2(s, c)
	registerIAM(s, c)
	registerSTS(s, c)
	return s
}
