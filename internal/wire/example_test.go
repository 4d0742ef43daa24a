package wire_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"enilab/internal/wire"
	"enilab/internal/wire/ec2api"
)

func ExampleHandle() {
	s := wire.New(wire.Config{Region: "eu-west-1"})
	wire.Handle(s, ec2api.DeleteVpc, func(ctx context.Context, in *ec2api.DeleteVpcRequest) (*wire.None, error) {
		fmt.Println(wire.RequestOf(ctx).Region, *in.VpcId, wire.Value(in.DryRun)) // what is required is there
		return nil, &wire.Error{Code: "DependencyViolation", Message: "The vpc has dependencies and cannot be deleted."}
	})

	r := httptest.NewRequest("POST", "http://localhost/", strings.NewReader("Action=DeleteVpc&VpcId=vpc-1"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	wire.As(wire.Caller{Access: wire.Free}, s).ServeHTTP(w, r)
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "<Code>DependencyViolation</Code>"))
	// Output:
	// eu-west-1 vpc-1 false
	// 400 true
}
