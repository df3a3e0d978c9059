# One agent that is server and client at once: enough for a house of one machine.
# The tokens are in a file of their own, which mint makes.
server           = true
bootstrap_expect = 1
datacenter       = "xunguan"
node_name        = "consul"
data_dir         = "/consul/data"
client_addr      = "0.0.0.0"

acl {
  enabled                  = true
  default_policy           = "deny"
  down_policy              = "extend-cache"
  enable_token_persistence = true
}

# No checks by script, no telemetry to anybody.
enable_script_checks = false
disable_update_check = true
