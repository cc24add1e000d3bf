import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { collect, columnList, duration, positiveInteger } from '../../cli/arguments.ts';

describe('arguments', () => {
  test('column lists are folded like identifiers, may be quoted and repeated', () => {
    expect(columnList('a, B,"C,d","e""f"', undefined)).toEqual(['a', 'b', 'C,d', 'e"f']);
    expect(columnList('b', ['a'])).toEqual(['a', 'b']);
    expect(() => columnList('a b', undefined)).toThrow(InvalidArgumentError);
    expect(() => columnList('a.b', undefined)).toThrow(InvalidArgumentError);
  });

  test('durations are a number and a unit', () => {
    expect(['1s', '5m', '12h', '30d'].map(duration)).toEqual(['1s', '5m', '12h', '30d']);
    for (const bad of ['', '30', '0d', '1w', '1.5h', '-1d', '1d '])
      expect(() => duration(bad)).toThrow(InvalidArgumentError);
  });

  test('counts are whole and positive', () => {
    expect(positiveInteger('50')).toBe(50);
    for (const bad of ['', '0', '-1', '1e3', '1.5', 'x'])
      expect(() => positiveInteger(bad)).toThrow(InvalidArgumentError);
  });

  test('repeated options are collected', () => {
    expect(collect('b', collect('a', undefined))).toEqual(['a', 'b']);
  });
});
