# Schema, logins, slots, publications and tables. The migrate function is a custom resource of CloudFormation, which tells it what was before and
# waits for its answer; so a stack with this one resource carries it. Its deletion drops slots and publications and keeps the history.

resource "aws_cloudformation_stack" "databases" {
  name               = "${var.name}-databases"
  on_failure         = "ROLLBACK"
  timeout_in_minutes = 20
  tags               = var.tags

  template_body = jsonencode({
    Resources = {
      Databases = {
        Type = "AWS::CloudFormation::CustomResource"
        Properties = {
          ServiceToken   = aws_lambda_function.function["migrate"].arn
          ServiceTimeout = 960
          Nodes = jsonencode([for name, node in var.nodes : {
            node            = name
            sourceSecretArn = local.node_reference[name]
            plugin          = node.plugin
            slotName        = node.slot_name
            tables = [for table in node.tables : {
              name      = table.name
              exclude   = table.exclude
              retention = table.retention
              baseline  = table.baseline
              noNan     = table.no_nan
              shared    = table.shared
              archive   = table.archive == null ? null : { hot = table.archive.hot, drop = table.archive.drop, minRows = table.archive.min_rows }
            }]
          }])
          ForgetSources = jsonencode(var.forget_sources)
          # A new migration changes this property, so that CloudFormation calls the function again.
          Migrations = filesha256(local.zips["migrate"])
          Version    = var.release
        }
      }
    }
  })

  lifecycle {
    precondition {
      condition     = var.archive != null || alltrue(flatten([for node in var.nodes : [for table in node.tables : table.archive == null]]))
      error_message = "A table cannot be archived: the module has no archive."
    }
  }

  depends_on = [
    aws_iam_role_policy.function,
    aws_vpc_security_group_egress_rule.functions,
    aws_lambda_function_event_invoke_config.function,
  ]
}
