package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"enilab/netlab"

	"github.com/gomodule/redigo/redis"
)

// The two tenants of the demonstration. Their networks are the same to the last address; only what their servers hold
// differs.
var (
	Tenants       = []string{"blue", "green"}
	tenantCIDR    = netip.MustParsePrefix("10.0.0.0/16")
	appCIDR       = netip.MustParsePrefix("10.0.1.0/24")
	dataCIDR      = netip.MustParsePrefix("10.0.2.0/24")
	RedisAddress  = netip.MustParseAddrPort("10.0.2.10:6379")
	WhoamiAddress = netip.MustParseAddrPort("10.0.2.20:80")
)

// TenantKey is the Redis key under which each tenant's database holds the tenant's name.
const TenantKey = "tenant"

// TwoTenants describes two VPCs of the same CIDR, each with a Redis at the same address and a service that tells callers
// who they are. Whoami is that service's argument vector; "{address}" stands for its address.
func TwoTenants(whoami []string) netlab.Spec {
	var spec netlab.Spec
	for _, t := range Tenants {
		spec.VPCs = append(spec.VPCs, netlab.VPCSpec{
			ID: "vpc-" + t, CIDR: tenantCIDR,
			Subnets: []netlab.SubnetSpec{{ID: AppSubnet(t), CIDR: appCIDR}, {ID: "subnet-" + t + "-data", CIDR: dataCIDR}},
			SecurityGroups: []netlab.SecurityGroupSpec{
				{ID: "sg-app"},
				{ID: "sg-data", Ingress: []netlab.Rule{
					{Protocol: "tcp", FromPort: RedisAddress.Port(), Group: "sg-app"},
					{Protocol: "tcp", FromPort: WhoamiAddress.Port(), Group: "sg-app"},
				}},
			},
			Resources: []netlab.ResourceSpec{
				{
					Name: "redis", Subnet: "subnet-" + t + "-data", SecurityGroups: []string{"sg-data"},
					Address: RedisAddress.Addr(), Port: RedisAddress.Port(),
					Command: netlab.RedisCommand(RedisAddress.Port()),
				},
				{
					Name: "whoami", Subnet: "subnet-" + t + "-data", SecurityGroups: []string{"sg-data"},
					Address: WhoamiAddress.Addr(), Port: WhoamiAddress.Port(), Command: slices.Clone(whoami),
				},
			},
		})
	}
	return spec
}

// AppSubnet is where a tenant's functions live.
func AppSubnet(tenant string) string { return "subnet-" + tenant + "-app" }

// SeedTenants writes each tenant's name into its own database.
func (l *Lab) SeedTenants(ctx context.Context) error {
	for _, t := range Tenants {
		resource := l.Network.Resource("vpc-"+t, "redis")
		dial := redis.DialContextFunc(func(ctx context.Context, network, address string) (c net.Conn, err error) {
			err = resource.Node.NS.Do(func() (err error) {
				c, err = new(net.Dialer).DialContext(ctx, network, address)
				return err
			})
			return c, err
		})
		c, err := redis.DialContext(ctx, "tcp4", RedisAddress.String(), dial)
		if err != nil {
			return fmt.Errorf("seed the Redis of %s: %w", t, err)
		}
		_, err = c.Do("SET", TenantKey, t)
		c.Close()
		if err != nil {
			return fmt.Errorf("seed the Redis of %s: %w", t, err)
		}
	}
	return nil
}
