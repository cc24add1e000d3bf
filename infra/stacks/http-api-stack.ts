/** The HTTP API in front of its function: every route needs an authorised caller. */
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  CorsHttpMethod,
  HttpApi,
  HttpMethod,
  HttpNoneAuthorizer,
  HttpStage,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer, HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { ApiConfiguration } from '../config/schema.ts';

interface HttpApiStackProps extends StackProps {
  readonly configuration: ApiConfiguration;
  readonly logDays: RetentionDays;
  readonly api: IFunction;
}

/** Without the query, which has keys of rows (API Gateway Developer Guide, "$context variables" of HTTP APIs). */
const ACCESS_LOG = {
  time: '$context.requestTime',
  request: '$context.requestId',
  ip: '$context.identity.sourceIp',
  method: '$context.httpMethod',
  path: '$context.path',
  status: '$context.status',
  bytes: '$context.responseLength',
  millis: '$context.responseLatency',
  error: '$context.error.message',
};

const CORS = {
  allowMethods: [CorsHttpMethod.GET, CorsHttpMethod.HEAD, CorsHttpMethod.POST],
  allowHeaders: ['authorization', 'content-type', 'if-none-match', 'x-amz-date', 'x-amz-security-token'],
  exposeHeaders: ['allow', 'etag', 'retry-after'],
  maxAge: Duration.minutes(10),
};

export class HttpApiStack extends Stack {
  readonly stage: HttpStage;

  constructor(scope: Construct, id: string, { configuration, logDays, api, ...props }: HttpApiStackProps) {
    super(scope, id, props);
    const { corsOrigins } = configuration;
    const http = new HttpApi(this, 'HttpApi', {
      description: 'pgtimewarp: rows as they were',
      createDefaultStage: false,
      defaultAuthorizer: authorizer(configuration.authorization),
      ...(corsOrigins.length > 0 ? { corsPreflight: { ...CORS, allowOrigins: corsOrigins } } : {}),
    });
    const integration = new HttpLambdaIntegration('Integration', api);
    // the preflight request of a browser has no signature and no token
    if (corsOrigins.length > 0) {
      http.addRoutes({
        path: '/{proxy+}',
        methods: [HttpMethod.OPTIONS],
        authorizer: new HttpNoneAuthorizer(),
        integration,
      });
    }
    http.addRoutes({
      path: '/{proxy+}',
      methods: [HttpMethod.ANY], // the function refuses methods that write, with a problem document
      integration,
    });
    const logGroup = new LogGroup(this, 'AccessLog', {
      retention: logDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.stage = new HttpStage(this, 'Stage', {
      httpApi: http,
      stageName: '$default',
      autoDeploy: true,
      accessLogSettings: {
        destination: new LogGroupLogDestination(logGroup),
        format: AccessLogFormat.custom(JSON.stringify(ACCESS_LOG)),
      },
      throttle: {
        rateLimit: configuration.requestsPerSecond,
        burstLimit: 2 * configuration.requestsPerSecond,
      },
    });
    new CfnOutput(this, 'Url', { value: this.stage.url });
    // an IAM policy names this ARN; the method and path of a request follow it
    const arn = this.formatArn({ service: 'execute-api', resource: http.apiId, resourceName: '$default' });
    new CfnOutput(this, 'ExecutionArn', { value: arn });
  }
}

function authorizer(authorization: ApiConfiguration['authorization']): IHttpRouteAuthorizer {
  if (authorization.kind === 'iam') return new HttpIamAuthorizer();
  return new HttpJwtAuthorizer('Jwt', authorization.issuer, { jwtAudience: authorization.audience });
}
