package api

import (
	"slices"
	"testing"

	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
	"enilab/internal/wire/iamapi"
	"enilab/internal/wire/stsapi"
)

func TestEveryOperationHasAHandler(t *testing.T) {
	s := wire.New(wire.Config{})
	registerEC2(s, Config{})
	registerIAM(s, Config{})
	registerSTS(s, Config{})
	for _, op := range slices.Concat(ec2api.Operations(), iamapi.Operations(), stsapi.Operations()) {
		if !s.Handles(op) {
			t.Errorf("%s's %s has none", op.Service.Name, op.Name)
		}
	}
}
