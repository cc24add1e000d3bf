output "security_group_id" {
  description = "Source databases and the store must admit this group."
  value       = aws_security_group.functions.id
}

output "url" {
  description = "The address of the HTTP API; null without one."
  value       = local.has_api ? aws_apigatewayv2_stage.default[0].invoke_url : null
}

output "execution_arn" {
  description = "The method and the path of a request follow it in a policy with execute-api:Invoke."
  value       = local.has_api ? "${aws_apigatewayv2_api.http[0].execution_arn}/$default" : null
}

output "alerts_topic_arn" {
  description = "Where alarms and the reports of doctor go."
  value       = aws_sns_topic.alerts.arn
}

output "function_names" {
  description = "By the name in the program: poller, api, doctor, migrate, maintenance, archiver."
  value       = { for name, each in aws_lambda_function.function : name => each.function_name }
}
