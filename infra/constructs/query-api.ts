/** The HTTP API in front of its function: every route needs an authorised caller. */
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
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
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

interface QueryApiProps {
  readonly api: IFunction;
  readonly authorizer: IHttpRouteAuthorizer;
  readonly requestsPerSecond: number;
  readonly corsOrigins: readonly string[];
  readonly logDays: RetentionDays;
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

export class QueryApi extends Construct {
  readonly stage: HttpStage;
  /** The method and the path of a request follow it in an IAM policy. */
  readonly executionArn: string;

  constructor(scope: Construct, id: string, props: QueryApiProps) {
    super(scope, id);
    const { api, authorizer, corsOrigins } = props;
    const http = new HttpApi(this, 'HttpApi', {
      description: 'pgtimewarp: rows as they were',
      createDefaultStage: false,
      defaultAuthorizer: authorizer,
      ...(corsOrigins.length > 0 ? { corsPreflight: { ...CORS, allowOrigins: [...corsOrigins] } } : {}),
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
      retention: props.logDays,
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
        rateLimit: props.requestsPerSecond,
        burstLimit: 2 * props.requestsPerSecond,
      },
    });
    this.executionArn = Stack.of(this).formatArn({
      service: 'execute-api',
      resource: http.apiId,
      resourceName: '$default',
    });
  }

  /** Lets a role or a function ask, if callers are known by IAM. */
  grantQuery(grantee: IGrantable): Grant {
    return Grant.addToPrincipal({
      grantee,
      actions: ['execute-api:Invoke'],
      resourceArns: [`${this.executionArn}/GET/*`, `${this.executionArn}/POST/*`],
    });
  }
}
